"""The manual pages and completion scripts of the command line, as they are installed below `share`."""

import inspect
import re
from collections.abc import Iterator, Mapping

import click

import holystone
from holystone.cli.completion import script_of
from holystone.cli.main import cli

_SEE = "The pages of all checks: holystone explain ID."
_SCRIPTS = {
    "bash": "bash-completion/completions/holystone",
    "zsh": "zsh/site-functions/_holystone",
    "fish": "fish/vendor_completions.d/holystone.fish",
}


def shared_files() -> Mapping[str, str]:
    """Return each file below `share`, by its path there: a page for each command, and what shells complete by."""
    with cli.make_context("holystone", [], resilient_parsing=True) as root:
        commands = {name: cli.get_command(root, name) for name in cli.list_commands(root)}
        pages = {"man/man1/holystone.1": _page(root, commands)}
        for name, command in commands.items():
            assert command is not None
            with command.make_context(name, [], root, resilient_parsing=True) as context:
                pages[f"man/man1/holystone-{name}.1"] = _page(context, {})
    return pages | {place: script_of(shell) for shell, place in _SCRIPTS.items()}


def _page(context: click.Context, others: Mapping[str, click.Command | None]) -> str:
    """Return the page of a command; `others` have pages of their own."""
    name = context.command_path.replace(" ", "-")
    summary = context.command.get_short_help_str(200).rstrip(".")
    lines = [
        # Without a day: the page is the same whenever it is made.
        f'.TH "{name.upper()}" "1" "" "holystone {holystone.__version__}" "holystone"',
        *_section("NAME", f"{_escaped(name)} \\- {_escaped(summary)}"),
        *_section("SYNOPSIS", *_synopsis(context)),
        *_section("DESCRIPTION", *_paragraphs(context.command.help or "")),
        *_section("OPTIONS", *_options(context)),
    ]
    if others:
        lines += _section("COMMANDS", *_commands(others))
    elif isinstance(context.command, click.Group):
        for inner in context.command.list_commands(context):
            command = context.command.get_command(context, inner)
            assert command is not None
            with command.make_context(inner, [], context, resilient_parsing=True) as within:
                about = _paragraphs(command.help or "")
                lines += _section(inner.upper(), *_synopsis(within), ".PP", *about, *_options(within))
    page = ["holystone", *(f"holystone-{one}" for one in cli.list_commands(context))]
    also = ",\n".join(f".BR {_escaped(one)} (1)" for one in page if one != name)
    lines += _section("SEE ALSO", *also.replace("),\n", ") ,\n").splitlines(), ".PP", _SEE)
    return "\n".join(lines) + "\n"


def _section(title: str, *lines: str) -> list[str]:
    return [f".SH {title}", *lines] if lines else []


def _synopsis(context: click.Context) -> list[str]:
    pieces = " ".join(context.command.collect_usage_pieces(context))
    return [f".B {_escaped(context.command_path)}", _escaped(pieces)]


def _paragraphs(text: str) -> list[str]:
    paragraphs = re.split(r"\n{2,}", inspect.cleandoc(text))
    lines = "\n.PP\n".join(_escaped(" ".join(one.split())) for one in paragraphs)
    return lines.splitlines()


def _options(context: click.Context) -> Iterator[str]:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            yield from (".TP", f".B {_escaped(record[0])}", _escaped(record[1]))


def _commands(commands: Mapping[str, click.Command | None]) -> Iterator[str]:
    for name, command in commands.items():
        assert command is not None
        yield from (".TP", f".BR holystone\\-{_escaped(name)} (1)", _escaped(command.get_short_help_str(200)))


def _escaped(text: str) -> str:
    """Return text of which roff takes nothing for a request, a font or a hyphen."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", plain, flags=re.MULTILINE)
