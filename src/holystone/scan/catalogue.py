"""The catalogue of checks, and which of them a run selects."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from holystone.errors import CatalogueError
from holystone.registry import Catalogue
from holystone.scan.check import Check, Level
from holystone.scan.policy import AS_DECLARED, Policy
from holystone.scan.reader import RACE_WINDOW_SECONDS


@cache
def checks() -> Catalogue[Check]:
    """Return every check that is installed; CatalogueError where one cannot be loaded."""
    return Catalogue(Check, "holystone.checks", lambda check: check.name)


@dataclass(frozen=True)
class Selection:
    """What a user chose to look at: which checks, and which instances.

    `reasons` are those of checks to leave out that a report shall name; `race_window` is the age in seconds from which
    a row that lacks another is no race.
    """

    level: Level = Level.standard
    select: Sequence[str] = ()
    ignore: Sequence[str] = ()
    instances: str | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    policy: Policy = AS_DECLARED
    race_window: int = RACE_WINDOW_SECONDS

    def checks(self) -> list[Check]:
        """Return the checks to run, and those that are left out with a reason; CatalogueError as `select_checks`."""
        return select_checks(self.level, self.select, self.ignore, self.policy)

    def left_out(self) -> list[str]:
        """Return the ids of the checks that are left out without a reason; CatalogueError where one is unknown."""
        return sorted({id for word in self.ignore for id in named(word)})

    def effective_policy(self) -> Policy:
        """Return the policy, with the reasons of this run; CatalogueError where an id is unknown."""
        return self.policy.ignoring({id: reason for word, reason in self.reasons.items() for id in named(word)})

    def to_argv(self) -> list[str]:
        """Return the same choice as words of a command line."""
        words = [] if self.level is Level.standard else ["--level", self.level.name]
        for option, ids in (("--select", self.select), ("--ignore", self.ignore)):
            words += [word for id in ids for word in (option, id)]
        for id, reason in self.reasons.items():
            words += ["--ignore", f"{id}={reason}"]
        for option, value in (("--instance", self.instances), ("--config", self.policy.file)):
            if value is not None:
                words += [option, value]
        if self.race_window != RACE_WINDOW_SECONDS:
            words += ["--race-window", str(self.race_window)]
        return words


def select_checks(
    level: Level, select: Collection[str] = (), ignore: Collection[str] = (), policy: Policy = AS_DECLARED
) -> list[Check]:
    """Return the checks to run: those named in `select`, or else all up to `level`, less those ignored.

    A check is named by its id or its name. The letter of a family names all of it: those up to `level` in `select`.
    CatalogueError where an id is unknown, or where nothing is left to run.
    """
    catalogue = checks()
    if not catalogue.by_id:
        raise CatalogueError("holystone finds none of its checks.", "Install it anew: its installation is broken.")
    house = {check.id: check for check in policy.applied_to(catalogue)}
    of_level = {id for id, check in house.items() if check.level <= level}
    chosen = [house[id] for word in select for id in named(word) if id in of_level or not _is_family(word)]
    if not select:
        chosen = [house[id] for id in of_level]
    ignored = {id for word in ignore for id in named(word)}
    unique = {check.id: check for check in chosen if check.id not in ignored}
    if not unique:
        if select and not chosen:
            raise CatalogueError(
                f"No check of {', '.join(select)} is of the level {level.name} or below.", "Select another level."
            )
        raise CatalogueError("Every check that was selected is ignored as well.", "Select one, or ignore fewer.")
    return [unique[id] for id in sorted(unique)]


def named(word: str) -> list[str]:
    """Return the ids that a word names: that of a check by its id or its name, or those of a family by its letter.

    CatalogueError where it names none.
    """
    if _is_family(word) and (family := [id for id in checks().by_id if id[:1] == word.upper() and id[1:].isdigit()]):
        return family
    return [checks().get(word).id]


def _is_family(word: str) -> bool:
    return len(word) == 1 and word.isalpha()
