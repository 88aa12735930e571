"""The entry point: finds the command, and turns every failure into one sentence and exit status 2."""

import os
import sys
from importlib import import_module

import click

import holystone
from holystone.cli.exits import Exit
from holystone.errors import HolystoneError

_COMMANDS = {
    "check": "holystone.cli.check:check",
    "checks": "holystone.cli.catalogue:checks",
    "completion": "holystone.cli.completion:completion",
    "demo": "holystone.cli.demo:demo",
    "explain": "holystone.cli.catalogue:explain",
    "migrate": "holystone.cli.migrate:migrate",
    "repair": "holystone.cli.repair:repair",
}
"""Command -> where it is defined; `--version` and a completion import none of them."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(holystone.__version__, prog_name="holystone", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Hold the databases of durable executions to their history: check, repair, migrate.

    TARGET is the path of a SQLite file or a URL such as postgresql://user@host/database, with --schema.
    HOLYSTONE_TARGET and HOLYSTONE_SCHEMA stand in for them.

    Exit status: 0 clean or done; 1 findings, or planned rows left undone; 2 could not run.
    """
    if os.environ.get("NO_COLOR"):
        context.color = False


def main() -> None:
    """Run the command line and exit; never with a traceback for what a user can mend."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        status = cli.main(arguments, prog_name="holystone", standalone_mode=False)
        return int(status) if isinstance(status, int) else Exit.OK
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except click.ClickException as error:
        error.show()
    except click.Abort:
        click.echo("Stopped; nothing more was done.", err=True)
    except HolystoneError as error:
        click.echo(f"Error: {error.message}\nNext: {error.next_step}", err=True)
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if os.environ.get("HOLYSTONE_DEBUG"):
            raise
        click.echo(
            f"Error: this is a fault of holystone: {type(error).__name__}: {error}\n"
            "Next: run it again with HOLYSTONE_DEBUG=1 and report what it prints.",
            err=True,
        )
    return Exit.COULD_NOT_RUN
