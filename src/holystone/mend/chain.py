"""The chain of digests over the journal, by which an edit by hand is seen.

Each change has a digest over its own columns and the digest before it in its run; the first one follows that of the
run's own columns. The run's row has the last digest and the number of changes, so that a last change that was removed
is missed as well; at the end of the run its time goes into the last digest too.

It reveals rows that somebody edited, removed or added, by mistake or to pass something off. There is no secret in it:
whoever can write to the tables and computes the digests anew leaves no trace.
"""

from collections.abc import Mapping
from typing import Any

from holystone.json_pieces import Writer

Row = Mapping[Any, Any]
"""The columns of a row as they are stored."""

RUN_COLUMNS = ("run_id", "kind", "plan", "undoes", "actor", "version", "started_at_ms", "asked_for")
"""The columns of a run that are written once."""
CHANGE_COLUMNS = (
    *("run_id", "number", "check_id", "repair_id", "safety", "table_name", "row_key"),
    *("before_image", "after_image", "why", "evidence", "made_at_ms", "took_away"),
)
"""The columns of a change that are written once."""
_TAKEN_BACK = ("check_id", "repair_id", "safety", "table_name", "row_key", "evidence")
"""What a change and the one that takes it back have in common."""

ROW_EDITED = "its row in holystone_runs was edited"
ROW_REMOVED = "its row in holystone_runs was removed"


def of_run(run: Row) -> str:
    """Return the digest that the run's first change follows: 64 hex digits."""
    return _digest({name: run[name] for name in RUN_COLUMNS})


def of_change(previous: Any, change: Row) -> str:
    """Return the digest of a change that follows the `previous` digest."""
    return _digest({"previous": previous, **{name: change[name] for name in CHANGE_COLUMNS}})


def of_end(previous: Any, finished_at_ms: Any) -> str:
    """Return the last digest of a run that has come to its end."""
    return _digest({"previous": previous, "finished_at_ms": finished_at_ms})


def of_effect(change: Row, *, reverse: bool = False) -> str:
    """Return a digest of what a change did to its row, or of what takes back what it did."""
    before, after = ("after_image", "before_image") if reverse else ("before_image", "after_image")
    common = {name: change[name] for name in _TAKEN_BACK}
    return _digest({**common, "before_image": change[before], "after_image": change[after]})


class Chain:
    """The chain of one run, followed change by change; `wrong` says of each break what somebody did there."""

    def __init__(self, run: Row) -> None:
        self.wrong: list[str] = []
        self._run = run
        self._next = 0
        self._ends: set[Any] = {run["first_digest"]}
        """What the next change may follow; empty where what it follows is gone."""
        if of_run(run) != run["first_digest"]:
            self.wrong.append(ROW_EDITED)

    def follow(self, change: Row) -> None:
        """Take in the next change, in the order of their numbers."""
        number, stored = change["number"], change["digest"]
        if type(number) is not int or number < self._next:
            self.wrong.append(f"its change {number!r} was added")
            return
        is_linked = any(of_change(end, change) == stored for end in self._ends)
        count = self._run["change_count"]
        if not is_linked and type(count) is int and number >= count:
            self.wrong.append(f"its change {number} was added")
            return
        if number > self._next:
            self._lack(number)
        elif not is_linked:
            self.wrong.append(f"its change {number} was edited")
        # Where the digest is what was edited, the next change follows the one that it should be.
        self._ends = {stored} | ({of_change(end, change) for end in self._ends} if not is_linked else set())
        self._next = number + 1

    def end(self) -> None:
        """Take in that there is no further change."""
        run, count = self._run, self._run["change_count"]
        finished = run["finished_at_ms"]
        ends = self._ends if finished is None else {of_end(end, finished) for end in self._ends}
        is_whole = run["last_digest"] in ends
        if not is_whole and type(count) is int and self._next < count:
            self._lack(count)
        elif not self.wrong and (not is_whole or count != self._next):
            self.wrong.append(ROW_EDITED)

    def _lack(self, number: int) -> None:
        which = f"change {self._next} was" if number == self._next + 1 else f"changes {self._next} to {number - 1} were"
        self.wrong.append(f"its {which} removed")


_WRITER = Writer(sort_keys=True, separators=(",", ":"), default=repr)


def _digest(values: Mapping[str, Any]) -> str:
    # SQLite keeps in any column what it is given, bytes among it: they have some text, and never the right digest.
    return _WRITER.sha256(values)
