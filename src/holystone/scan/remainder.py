"""What a scan has still to look at, and how far it is: the checks that its run time leaves unfinished have failed."""

from collections.abc import Mapping

from holystone.errors import OutOfTimeError
from holystone.scan.check import Check
from holystone.scan.failure import Failure
from holystone.scan.relation import Relation
from holystone.scan.relation_scan import RelationScan
from holystone.scan.result import Outcome, Result


class Remainder:
    """The relations that each check has still to look at."""

    def __init__(self) -> None:
        self._left: dict[str, set[str]] = {}
        self._reached: tuple[str, int, int] | None = None

    def add(self, check: Check, relation: Relation) -> None:
        """Note that the check is to look at the relation."""
        self._left.setdefault(check.id, set()).add(relation.name)

    def take(self, scan: RelationScan) -> None:
        """Note that the checks of a scan have looked at all that there is of its relation."""
        self._reached = None
        for check in scan.checks:
            self._left[check.id].discard(scan.relation.name)

    def reach(self, name: str, done: int, total: int) -> None:
        """Note how many rows of a relation, of how many in all, are looked at."""
        self._reached = (name.replace("_", " "), done, total)

    def fail(self, results: Mapping[str, Result], error: OutOfTimeError) -> list[str]:
        """Have the checks fail that have not looked at all, and return their ids."""
        if self._reached is not None:
            name, done, total = self._reached
            share = f", of which {done / total:.0%} were done" if total > 1 else ""
            error = OutOfTimeError(error.seconds, f"all was read: it was at {name}{share}")
        unfinished = [id for id, left in self._left.items() if left and results[id].outcome in _RUN]
        for id in unfinished:
            Failure(error.message, next_step=error.next_step).note(results[id])
        return sorted(unfinished)


_RUN = (Outcome.clean, Outcome.found)
