"""The catalogue of checks, as text and as JSON."""

from collections.abc import Iterable
from typing import Any

from holystone.mend.repair import Repair
from holystone.render.messages import document, say
from holystone.render.sql_layout import laid_out
from holystone.scan.check import Check, NoRepair


def catalogue_json(checks: Iterable[Check]) -> None:
    """Write the checks as one JSON object."""
    rows = [_row(check) for check in checks]
    document({"schema": 1, "checks": rows}, indent=1)


def check_json(check: Check) -> None:
    """Write all that a check declares for people as one JSON object."""
    document({"schema": 1, "check": {**_row(check), **_for_people(check)}}, indent=1)


def repair_json(repair: Repair) -> None:
    """Write all that a repair declares for people as one JSON object."""
    told = {name: getattr(repair, name) for name in ("id", "title", "does", "loses", "needs", "undone")}
    document({"schema": 1, "repair": {**told, "safety": str(repair.safety)}}, indent=1)


def catalogue_text(checks: Iterable[Check]) -> None:
    """Write a check a line."""
    for check in checks:
        say(f"{check.id}  {check.severity.name:<8}  {check.level.name:<8}  {check.name:<28}  {check.title}")
    say("More on one: holystone explain ID")


def _row(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "name": check.name,
        "title": check.title,
        "severity": check.severity.name,
        "level": check.level.name,
        "repair": None if isinstance(check.repair, NoRepair) else check.repair,
    }


def _for_people(check: Check) -> dict[str, Any]:
    return {
        "asserts": check.asserts,
        "harm": check.harm,
        "false_alarms": check.false_alarms,
        "example": check.example,
        "no_repair_because": check.repair.because if isinstance(check.repair, NoRepair) else None,
        "sql": {flavour: laid_out(query) for flavour, query in sorted(check.diagnosis.items())},
    }
