"""Waivers: rules that are put up with until a day, for a reason."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Waiver:
    """A rule that does not refuse until a day, that day included."""

    rule: str
    until: date
    reason: str

    def holds(self, today: date) -> bool:
        """Return whether its last day is not over."""
        return self.until >= today
