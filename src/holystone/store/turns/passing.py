"""What a fetch passes over: rows that could not be handed out when it, or an earlier one, tried."""

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, bindparam

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")
_PATIENCE_SECONDS = 1.0
"""For how long a thread waits for another one's look, before it looks beside it."""
_MOST = 256
"""How many are remembered; those before them are tried again."""


@dataclass
class Experience(Generic[Key]):
    """What a store's fetches know from those before, so that one that finds nothing costs little.

    `found` says whether the last one found something: then the next one takes it without a look before. `doubtful` are
    the keys of what was taken and had to be given back; they are looked at where there is nothing else.
    """

    found: bool = True
    doubtful: dict[Key, None] = field(default_factory=dict)
    _gate: Lock = field(default_factory=Lock)
    _empty: tuple[Hashable, float] = (None, 0.0)
    """What was looked for in vain the last time, and when that look began."""

    def ask(self, what: Hashable, look: Callable[[], Found], *, at_once: bool = False) -> Found | None:
        """Return what a look finds; one at a time looks, for idle threads of a store would do so all at once.

        Whoever has waited for another's look that began after he came, and that found nothing, has his answer.
        `at_once` waits for nobody.
        """
        if at_once:
            return look()
        came = time.monotonic()
        gate = self._gate
        if not gate.acquire(timeout=_PATIENCE_SECONDS):
            # Its holder takes long, or is a thread of the process from which this one was forked.
            gate = self._gate = Lock()
            gate.acquire()
        try:
            if self._empty[0] == what and self._empty[1] > came:
                return None
            began = time.monotonic()
            found = look()
            if found is None:
                self._empty = (what, began)
            return found
        finally:
            gate.release()

    def doubt(self, key: Key) -> None:
        """Remember what had to be given back."""
        self.doubtful[key] = None
        for oldest in list(self.doubtful)[:-_MOST]:
            self.doubtful.pop(oldest, None)

    def trust(self, key: Key) -> None:
        """Forget it: it can be taken now, or is gone."""
        self.doubtful.pop(key, None)


def room_for(passed_over: Sequence[Hashable]) -> int:
    """Return for how many a statement has places: a power of two, so that there are few statements to keep."""
    return 1 << (len(passed_over) - 1).bit_length() if passed_over else 0


def places(passed_over: Sequence[Any]) -> dict[str, Any]:
    """Return the parameters of a statement that passes over these."""
    return {_place(number): passed_over[min(number, len(passed_over) - 1)] for number in range(room_for(passed_over))}


def not_passed(key: ColumnElement[Any], room: int) -> list[ColumnElement[bool]]:
    """Return the conditions that a key is none of so many."""
    return [key != bindparam(_place(number)) for number in range(room)]


def _place(number: int) -> str:
    return f"passed_{number}"
