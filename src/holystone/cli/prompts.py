"""Asking before anything is changed that the user has not named outright."""

import sys

import click


def require_terminal() -> None:
    """Refuse to go on where there is nobody to answer."""
    if not sys.stdin.isatty():
        raise click.UsageError("There is nobody to ask; say --yes.")


def ask(question: str) -> None:
    """Return where the answer is yes, and end the command where it is no."""
    require_terminal()
    from holystone.render.messages import confirm

    confirm(question)
