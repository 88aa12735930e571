"""The reference, made from the code: commands, repairs, and the JSON that is printed."""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from holystone.cli.main import cli
from holystone.diagnosis import model as diagnosis
from holystone.gate import model as gate
from holystone.mend.repair import repairs
from holystone.render.report import json_schema
from holystone.render.runbook import repair_page
from holystone.scan.catalogue import checks

_SCHEMAS: Mapping[str, tuple[str, Any]] = {
    "report": ("holystone check --format json", json_schema),
    "why": ("holystone why --format json", diagnosis.json_schema),
    "gate": ("holystone gate --format json", gate.json_schema),
}
"""Name of a schema's file -> what prints such JSON, and what makes the schema."""

_MADE_OF_HELP = "Made from the commands' help by `python docs/build.py`. The environment stands in for any option."
_STATUSES = """| exit status | means |
|---|---|
| 0 | clean, or done |
| 1 | findings, a refusal of the gate, or planned rows left undone |
| 2 | could not run, or could not see all: never to be read as clean |
| 3 | the same with `--format nagios`, for which 2 is CRITICAL |"""


def commands_page() -> str:
    """Return each command with what its help says, its options, and what stands for them in the environment."""
    root = click.Context(cli, info_name="holystone", terminal_width=100, **cli.context_settings)
    parts = ["# Commands", _MADE_OF_HELP, _STATUSES]
    for context in _tree(root):
        parts += _command(context)
    return "\n\n".join(parts) + "\n"


def _tree(context: click.Context) -> Iterator[click.Context]:
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _tree(click.Context(found, info_name=name, parent=context, terminal_width=100))


def _command(context: click.Context) -> Iterator[str]:
    command = context.command
    yield f"## {context.command_path}"
    yield f"    {command.get_usage(context).removeprefix('Usage: ')}".replace("\n", " ")
    yield _prose(command.help or "")
    rows = [_option(option, context) for option in command.params if isinstance(option, click.Option)]
    listed = [row for row in rows if row]
    if listed:
        yield "\n".join(["| option | | environment |", "|---|---|---|", *listed])


def _prose(help: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in help.split("\n\n"))


def _option(option: click.Option, context: click.Context) -> str:
    told = option.get_help_record(context)
    if told is None or "--version" in option.opts:
        return ""
    spelt, meaning = (part.replace("|", "\\|") for part in told)
    meaning = meaning.partition("  [env var")[0]
    variables = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
    return f"| `{spelt}` | {meaning} | {', '.join(f'`{name}`' for name in variables)} |"


def repairs_page() -> str:
    """Return each repair with what it does, loses and needs, and the checks whose findings it mends."""
    parts = [
        "# Repairs",
        "Made from their declarations by `python docs/build.py`; `holystone explain NAME` shows the same.",
    ]
    for repair in repairs():
        mended = [f"[{check.id}](../runbook/{check.id}.md)" for check in checks() if check.repair == repair.id]
        parts.append(f"#{repair_page(repair).rstrip()}")
        parts.append(f"Mends: {', '.join(mended)}")
    return "\n\n".join(parts) + "\n"


def json_page() -> str:
    """Return the members of each object that is printed as JSON, by its schema."""
    parts = [
        "# JSON",
        "Made from the schemas by `python docs/build.py`. Members are added, and never change their meaning.",
    ]
    for name, (command, schema) in _SCHEMAS.items():
        parts += [f"## {name}", f"`{command}`: [{name}.schema.json](../{name}.schema.json) is its JSON Schema."]
        for title, definition in schema()["$defs"].items():
            if members := definition.get("properties"):
                rows = [f"| `{member}` | {_type(told)} |" for member, told in members.items()]
                described = _prose(definition.get("description", ""))
                parts += [f"### {name}: {title}", described, "\n".join(["| member | type |", "|---|---|", *rows])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _type(told: Mapping[str, Any]) -> str:
    if "$ref" in told:
        return str(told["$ref"]).rpartition("/")[2]
    if "anyOf" in told:
        return " or ".join(_type(one) for one in told["anyOf"])
    if told.get("type") == "array":
        return f"list of {_type(told['items']) if told.get('items') else 'any'}"
    if "enum" in told:
        return ", ".join(f"`{one}`" for one in told["enum"])
    return str(told.get("type", "any"))
