"""What a house decides about the catalogue: other severities and levels, checks left out, findings put up with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fnmatch import fnmatchcase

from holystone.errors import CatalogueError
from holystone.scan.check import Check, Level, Severity
from holystone.scan.finding import Finding


@dataclass(frozen=True)
class Override:
    """What is different about a check in this house; None leaves it as it is declared."""

    severity: Severity | None = None
    level: Level | None = None
    ignored_because: str | None = None


@dataclass(frozen=True)
class Suppression:
    """Findings that are put up with until a day, that day included: of one check, or by their fingerprint.

    `instance` is a pattern in which * and ? are wild; None is every instance, and `until` None is for ever.
    """

    reason: str
    check: str | None = None
    instance: str | None = None
    fingerprint: str | None = None
    until: date | None = None

    def covers(self, finding: Finding) -> bool:
        """Return whether the finding is one of those, whatever the day."""
        if self.fingerprint is not None and self.fingerprint != finding.fingerprint:
            return False
        if self.check is not None and self.check != finding.check.id:
            return False
        # Only * and ? are wild, as in --instance.
        pattern = None if self.instance is None else self.instance.replace("[", "[[]")
        of_none = finding.instance_id is None
        return pattern is None or (not of_none and fnmatchcase(str(finding.instance_id), pattern))

    def __str__(self) -> str:
        named = (self.check, self.fingerprint, None if self.instance is None else f"of {self.instance}")
        return " ".join(filter(None, named))


@dataclass(frozen=True)
class Policy:
    """All of these decisions, and the file that they come from. Every id is one of the catalogue's."""

    overrides: Mapping[str, Override] = field(default_factory=dict)
    suppressions: Sequence[Suppression] = ()
    file: str | None = None

    def applied_to(self, catalogue: Iterable[Check]) -> list[Check]:
        """Return the checks as this house sees them."""
        return [self._applied_to(check) for check in catalogue]

    def ignored_because(self, check: Check) -> str | None:
        """Return why the check is left out, None where it is not."""
        override = self.overrides.get(check.id)
        return None if override is None else override.ignored_because

    def expired(self, today: date) -> list[Suppression]:
        """Return the suppressions whose last day is over."""
        return [one for one in self.suppressions if one.until is not None and one.until < today]

    def in_force(self, today: date) -> list[Suppression]:
        """Return the other suppressions."""
        return [one for one in self.suppressions if one.until is None or one.until >= today]

    def ignoring(self, reasons: Mapping[str, str]) -> "Policy":
        """Return the policy with more checks left out, each with a reason; CatalogueError for an id without one."""
        overrides = dict(self.overrides)
        for id, reason in reasons.items():
            if not reason.strip():
                raise CatalogueError(f"--ignore {id}= gives no reason.", f"Say why: --ignore '{id}=REASON'")
            overrides[id] = replace(overrides.get(id, Override()), ignored_because=reason.strip())
        return replace(self, overrides=overrides)

    def _applied_to(self, check: Check) -> Check:
        override = self.overrides.get(check.id)
        if override is None:
            return check
        if override.severity is not None:
            check = replace(check, severity=override.severity, severity_of=None)
        return replace(check, level=override.level or check.level)


AS_DECLARED = Policy()
"""The policy of a house that has decided nothing."""
