"""Runbook pages, made from the declarations: Markdown for docs/runbook, plain text for a terminal."""

import inspect
import re
from importlib.resources import files

import click

from holystone.mend.repair import Repair, Safety, repairs
from holystone.printable import one_line
from holystone.render.messages import width
from holystone.render.sql_layout import laid_out
from holystone.render.terminal import wrapped
from holystone.scan.check import Check, NoRepair
from holystone.scan.evidence import Evidence, in_words


def check_page(check: Check) -> str:
    """Return the page of a check as Markdown, made from its declaration."""
    flavours = " and ".join(sorted(check.flavours))
    sections = {
        "Meaning": check.asserts,
        "Impact": check.harm,
        "Diagnosis": f"    holystone check TARGET --select {check.id}\n\n{_queries(check)}",
        "False alarms": check.false_alarms,
        "Risks": _risks(check),
        "Repair": _repair_section(check),
        "Example": check.example,
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    facts = f"{check.severity.name} · level {check.level.name} · {flavours}"
    return f"# {check.id} {check.name}\n\n{check.title}.\n\n{facts}\n\n{body}\n"


def shipped_page(check: Check) -> str:
    """Return the page as the package brings it, which shows a real run; others' checks have the declaration's."""
    page = check_page(check)
    file = files("holystone.runbook") / f"{check.id}.md"
    shipped = file.read_text(encoding="utf-8") if file.is_file() else ""
    return shipped if shipped.startswith(page) else page


def repair_page(repair: Repair) -> str:
    """Return what a repair does, as Markdown."""
    return f"# {repair.id}\n\n{repair.title}.\n\n{repair.safety}\n\n{_repair_body(repair)}\n"


def index_page(checks: list[Check]) -> str:
    """Return the table of all checks, as Markdown."""
    rows = [
        f"| [{check.id}]({check.id}.md) | {check.name} | {check.title} | {check.severity.name} | {check.level.name} "
        f"| {_questions(check)} |"
        for check in checks
    ]
    head = "| id | name | bad state | severity | level | calls into question |\n|---|---|---|---|---|---|\n"
    return "# Runbook\n\nOne page a check; `holystone explain ID` shows the same.\n\n" + head + "\n".join(rows) + "\n"


def terminal(page: str) -> str:
    """Return a Markdown page as text folded to a terminal's width, with colours for one that shows them."""
    lines = []
    fence = ""
    for raw in page.split("\n"):
        line = one_line(raw, None)  # a plug-in's page is as strange as its author
        if line.startswith("```"):
            fence = "" if fence else line
        elif fence:
            lines.append(_coloured(line) if fence == "```sql" else line)
        elif line.startswith("#"):
            heading = re.sub("^#+ ", "", line).upper() if line.startswith("## ") else line.removeprefix("# ")
            lines.append(click.style(heading, bold=True))
        elif line.startswith("    "):
            lines.append(click.style(line, fg="cyan"))
        else:
            lines.append(wrapped(line) if len(line) > width() else line)
    return "\n".join(lines).rstrip("\n") + "\n"


_LITERALS_AND_KEYWORDS = re.compile(r"'(?:[^']|'')*'|\b[A-Z][A-Z]+\b")


def _coloured(sql: str) -> str:
    def style(found: re.Match[str]) -> str:
        literal = found[0].startswith("'")
        return click.style(found[0], fg="green") if literal else click.style(found[0], fg="blue", bold=True)

    return _LITERALS_AND_KEYWORDS.sub(style, sql)


def _queries(check: Check) -> str:
    queries = {flavour: laid_out(query) for flavour, query in check.diagnosis.items()}
    if len(set(queries.values())) == 1:
        return f"```sql\n{next(iter(queries.values()))}\n```"
    return "\n\n".join(f"On {flavour}:\n\n```sql\n{query}\n```" for flavour, query in sorted(queries.items()))


def _risks(check: Check) -> str:
    reads = "The check reads only"
    doubts = "A finding calls nothing into question."
    if check.questions:
        doubts = (
            f"A finding calls into question {_questions(check)}: what rests on that is not safe in the same instance."
        )
    if isinstance(check.repair, NoRepair):
        return f"{reads}, and there is no repair.\n\n{doubts}"
    repair = repairs().get(check.repair)
    return f"{reads}. {doubts}\n\nThe repair loses: {_lowered(repair.loses)}\n\nIt needs: {_lowered(repair.needs)}"


def _lowered(text: str) -> str:
    return text if text[1:2].isupper() else text[0].lower() + text[1:]


def _repair_section(check: Check) -> str:
    if isinstance(check.repair, NoRepair):
        return f"None: {check.repair.because}."
    repair = repairs().get(check.repair)
    commands = "    holystone repair plan TARGET\n    holystone repair apply TARGET"
    unsafe = f" --unsafe {repair.id}" if repair.safety == "unsafe" else ""
    does = f"Does: {repair.does}\n\n{_when_safe(repair)}\n\nUndone: {repair.undone}"
    return f"`{repair.id}`, {repair.safety}. {repair.title}.\n\n{does}\n\n{commands}{unsafe}"


def _when_safe(repair: Repair) -> str:
    """Return under which conditions the repair is offered as safe, and what else turns it unsafe, by declaration."""
    if repair.safety is Safety.unsafe:
        return "Safe: never. Whoever knows what the instance is for decides."
    conditions = []
    if of_instance := repair.rests_on - {Evidence.store}:
        conditions.append(
            f"No other finding of an instance that it touches calls into question {in_words(of_instance)}. The index "
            "says of each check what it calls into question, whether or not it is selected. What is itself repaired as "
            "safe is repaired first, or together with this."
        )
    if Evidence.instance in repair.rests_on:
        conditions.append("Each instance that gets something by it is there, or a message that is due begins it.")
    if (told := inspect.getdoc(repair.unsafe_because)) is not None:
        conditions.append(told)
    if Evidence.store in repair.rests_on:
        conditions.append("Nothing is wrong with the store as a whole, and no index hides rows of its table.")
    return "Safe where all of this holds:\n\n" + "\n".join(f"- {condition}" for condition in conditions)


def _questions(check: Check) -> str:
    return in_words(check.questions) or "nothing"


def _repair_body(repair: Repair) -> str:
    parts = {"Does": repair.does, "Loses": repair.loses, "Needs": repair.needs, "Undone": repair.undone}
    return "\n\n".join([*(f"{name}: {text}" for name, text in parts.items()), _when_safe(repair)])
