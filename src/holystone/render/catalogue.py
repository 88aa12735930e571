"""The catalogue of checks, as text and as JSON."""

from collections.abc import Iterable

from holystone.render.messages import document, say
from holystone.scan.check import Check, NoRepair


def catalogue_json(checks: Iterable[Check]) -> None:
    """Write the checks as one JSON object."""
    rows = [
        {
            "id": check.id,
            "name": check.name,
            "title": check.title,
            "severity": check.severity.name,
            "level": check.level.name,
            "repair": None if isinstance(check.repair, NoRepair) else check.repair,
        }
        for check in checks
    ]
    document({"schema": 1, "checks": rows}, indent=1)


def catalogue_text(checks: Iterable[Check]) -> None:
    """Write a check a line."""
    for check in checks:
        say(f"{check.id}  {check.severity.name:<8}  {check.level.name:<8}  {check.name:<28}  {check.title}")
    say("More on one: holystone explain ID")
