"""The catalogue of checks, and which of them a run selects."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

from holystone.errors import CatalogueError
from holystone.registry import Catalogue
from holystone.scan.check import Check, Level


@cache
def checks() -> Catalogue[Check]:
    """Return every check that is installed; CatalogueError where one cannot be loaded."""
    return Catalogue(Check, "holystone.checks")


@dataclass(frozen=True)
class Selection:
    """What a user chose to look at: which checks, and which instances."""

    level: Level = Level.standard
    select: Sequence[str] = ()
    ignore: Sequence[str] = ()
    instances: str | None = None

    def checks(self) -> list[Check]:
        """Return the checks to run; CatalogueError as `select_checks`."""
        return select_checks(self.level, self.select, self.ignore)

    def words(self) -> list[str]:
        """Return the same choice as words of a command line."""
        words = [] if self.level is Level.standard else ["--level", self.level.name]
        for option, ids in (("--select", self.select), ("--ignore", self.ignore)):
            words += [word for id in ids for word in (option, id)]
        return words if self.instances is None else [*words, "--instance", self.instances]


def select_checks(level: Level, select: Collection[str] = (), ignore: Collection[str] = ()) -> list[Check]:
    """Return the checks to run: those named in `select`, or else all up to `level`, less those ignored.

    CatalogueError where an id is unknown, or where nothing is left to run.
    """
    catalogue = checks()
    chosen = [catalogue.get(id) for id in select] or [check for check in catalogue if check.level <= level]
    ignored = {catalogue.get(id).id for id in ignore}
    unique = {check.id: check for check in chosen if check.id not in ignored}
    if not unique:
        raise CatalogueError("Every check that was selected is ignored as well.", "Select one, or ignore fewer.")
    return [unique[id] for id in sorted(unique)]
