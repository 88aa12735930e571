"""A run time that is over at a statement, and not at a moment: the same one each time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from holystone.store.run_time import RunTime

_AROUND = ("SAVEPOINT", "RELEASE", "ROLLBACK", "SET", "BEGIN", "LOCK")


class Countdown(RunTime):
    """It is over when so many statements have begun; the last of them fails where it is `interrupted`."""

    def __init__(self, statements: int, *, interrupted: bool) -> None:
        super().__init__(3600)
        self.statements = statements
        self._interrupted = interrupted
        self._lock = threading.Lock()

    def begin(self, connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        with self._lock:
            self.statements -= 1
        if self.statements > 0 or statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK", "SET", "BEGIN", "LOCK")):
            return statement, parameters
        self._over_at = time.monotonic()
        return ("SELECT interrupted", ()) if self._interrupted else (statement, parameters)


@contextmanager
def counting(countdown: Countdown) -> Iterator[None]:
    event.listen(Engine, "before_cursor_execute", countdown.begin, retval=True)
    yield
    event.remove(Engine, "before_cursor_execute", countdown.begin)
