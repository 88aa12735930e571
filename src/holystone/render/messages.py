"""What a command says beside its report: lines, notices and errors, none of which can drive a terminal.

The streams are named: by itself, Click writes UTF-8 to one that is ASCII.
"""

import json
import os
import sys
import textwrap
from collections.abc import Sequence
from shutil import get_terminal_size, which
from typing import TextIO

import click

from holystone.printable import LONGEST_LINE, one_line

WIDTH = 100
"""Columns of a page of prose, at most: longer lines are hard to read."""
_NARROWEST = 40
"""Columns that prose has at least; a terminal with fewer breaks the lines itself."""

LISTED = 40
"""Lines of a list at most."""


def width() -> int:
    """Return the columns of a page of prose on this terminal, or in a file or a pipe."""
    return max(_NARROWEST, min(WIDTH, get_terminal_size((WIDTH, 24)).columns))


def echo(text: str, *, file: TextIO) -> None:
    """Write a line of a report; with colours only to standard output, whatever FORCE_COLOR says."""
    click.echo(text, file=file, color=None if file is sys.stdout else False)


def say(text: str) -> None:
    """Write a line to standard output."""
    click.echo(one_line(text, None), file=sys.stdout)


def notice(text: str) -> None:
    """Write a line to standard error."""
    click.echo(one_line(text, None), file=sys.stderr)


def error(message: str, next_step: str) -> None:
    """Write to standard error what is wrong, and what to do about it."""
    notice(f"Error: {one_line(message, LONGEST_LINE)}")
    notice(f"Next: {next_step}")


def confirm(question: str) -> None:
    """Ask on standard error, and return where the answer is yes; click.Abort where it is no."""
    click.confirm(one_line(question), abort=True, err=True)


def block(whole: str, *, err: bool = False) -> None:
    """Write a text of several lines, which is fit to print and ends in a line end."""
    click.echo(whole, file=sys.stderr if err else sys.stdout, nl=False)


def page(whole: str) -> None:
    """Write a text that is to be read, through the user's pager where the terminal is shorter; else as `block`."""
    rows = get_terminal_size((WIDTH, 24)).lines
    if whole.count("\n") >= rows and sys.stdin.isatty() and sys.stdout.isatty() and _has_pager():
        click.echo_via_pager(whole.removesuffix("\n"))  # which it adds
    else:
        block(whole)


def _has_pager() -> bool:
    """Return whether the user wants a pager, and has it: PAGER, or else what Click finds; an empty one says no."""
    if os.environ.get("TERM", "dumb") == "dumb":
        return False
    named = os.environ.get("PAGER")
    if named is None:
        return True
    words = named.split()
    return bool(words) and words != ["cat"] and which(words[0]) is not None


def document(whole: object, *, indent: int | None = None) -> None:
    """Write JSON to standard output."""
    click.echo(json.dumps(whole, indent=indent))


def listed(things: Sequence[str], begin: str = "", *, err: bool = False) -> None:
    """Write one thing a line, and how many more there are of very many."""
    write = notice if err else say
    for thing in things[:LISTED]:
        write(f"{begin}{one_line(thing)}")
    if len(things) > LISTED:
        write(f"and {len(things) - LISTED:,} more")


def heading(prose: str) -> None:
    """Write what is done next, as a comment of a shell."""
    comment = textwrap.fill(prose, width(), initial_indent="# ", subsequent_indent="# ")
    click.echo(click.style(comment, bold=True), file=sys.stdout)


def prompt(words: str) -> None:
    """Write a command line as a user types it."""
    click.echo(click.style(f"$ {words}", fg="cyan"), file=sys.stdout)
