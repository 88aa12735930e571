"""Runbook pages, made from the declarations: Markdown for docs/runbook, plain text for a terminal."""

import re

from holystone.mend.repair import Repair, repairs
from holystone.render.words import WIDTH, wrapped
from holystone.scan.check import Check, NoRepair


def check_page(check: Check) -> str:
    """Return the page of a check as Markdown."""
    flavours = " and ".join(sorted(check.flavours))
    sections = {
        "Meaning": check.asserts,
        "Impact": check.harm,
        "Diagnosis": f"    holystone check TARGET --select {check.id}\n\n```sql\n{check.how_to_look}\n```",
        "False alarms": check.false_alarms,
        "Example": check.example,
        "Repair": _repair_section(check),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    facts = f"{check.severity.name} · level {check.level.name} · {flavours}"
    return f"# {check.id} {check.name}\n\n{check.title}.\n\n{facts}\n\n{body}\n"


def repair_page(repair: Repair) -> str:
    """Return what a repair does, as Markdown."""
    return f"# {repair.id}\n\n{repair.title}.\n\n{repair.safety}\n\n{_repair_body(repair)}\n"


def index_page(checks: list[Check]) -> str:
    """Return the table of all checks, as Markdown."""
    rows = [
        f"| [{check.id}]({check.id}.md) | {check.name} | {check.title} | {check.severity.name} | {check.level.name} |"
        for check in checks
    ]
    head = "| id | name | bad state | severity | level |\n|---|---|---|---|---|\n"
    return "# Runbook\n\nOne page a check; `holystone explain ID` shows the same.\n\n" + head + "\n".join(rows) + "\n"


def terminal(page: str) -> str:
    """Return a Markdown page as text folded to a terminal's width."""
    lines = []
    for line in page.splitlines():
        if line.startswith("```"):
            continue
        if line.startswith("#"):
            lines.append(re.sub("^#+ ", "", line).upper() if line.startswith("## ") else line.removeprefix("# "))
        else:
            lines.append(wrapped(line) if len(line) > WIDTH else line)
    return "\n".join(lines) + "\n"


def _repair_section(check: Check) -> str:
    if isinstance(check.repair, NoRepair):
        return f"None: {check.repair.because}."
    repair = repairs().get(check.repair)
    commands = "    holystone repair plan TARGET\n    holystone repair apply TARGET"
    unsafe = f" --unsafe {repair.id}" if repair.safety == "unsafe" else ""
    return f"`{repair.id}`, {repair.safety}. {repair.title}.\n\n{_repair_body(repair)}\n\n{commands}{unsafe}"


def _repair_body(repair: Repair) -> str:
    parts = {"Does": repair.does, "Loses": repair.loses, "Needs": repair.needs, "Undone": repair.undone}
    return "\n\n".join(f"{name}: {text}" for name, text in parts.items())
