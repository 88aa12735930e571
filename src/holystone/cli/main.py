"""The entry point: finds the command, and turns every failure into one sentence and exit status 2."""

import atexit
import errno
import gc
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import pairwise
from types import FrameType
from typing import Any

import click

import holystone
from holystone.cli.context import TARGET
from holystone.cli.exit_codes import Exit
from holystone.errors import HolystoneError

_COMMANDS = {
    "check": "holystone.cli.check:check",
    "checks": "holystone.cli.catalogue:checks",
    "completion": "holystone.cli.completion:completion",
    "demo": "holystone.cli.demo:demo",
    "engines": "holystone.cli.engines:engines",
    "executions": "holystone.cli.executions:executions",
    "explain": "holystone.cli.catalogue:explain",
    "gate": "holystone.cli.gate:gate",
    "help": "holystone.cli.help:help_",
    "migrate": "holystone.cli.migrate:migrate",
    "repair": "holystone.cli.repair:repair",
    "stores": "holystone.cli.stores:stores",
    "version": "holystone.cli.help:version",
    "why": "holystone.cli.why:why",
}
"""Command -> where it is defined; `--version` and a completion import none of them."""

_COMPLETE = "_HOLYSTONE_COMPLETE"
"""Set where a shell asks for completions."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class PipeClosedError(Exception):
    """Whoever read our output has gone. Click ends then as a plug-in may that leaves: by SystemExit."""


@contextmanager
def _told_of_pipes() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise PipeClosedError from error


@contextmanager
def _named_in_next_step(context: click.Context) -> Iterator[None]:
    """Have what is to be done next name the store of the command, where an error says TARGET."""
    try:
        yield
    except HolystoneError as error:
        if (target := context.meta.get(TARGET)) is not None and "TARGET" in error.next_step:
            from holystone.render.terminal import with_target

            error.next_step = with_target(target, error.next_step)
        raise


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _told_of_pipes():
            return super().make_context(*args, **extra)

    def invoke(self, context: click.Context) -> Any:
        with _told_of_pipes(), _named_in_next_step(context):
            return super().invoke(context)

    def resolve_command(self, context: click.Context, words: list[str]) -> Any:
        name = words[0]
        if name not in _COMMANDS and not name.startswith("-") and not context.resilient_parsing:
            # Click looks for one that is spelt like it among those that are imported, if it looks at all.
            from difflib import get_close_matches

            close = ", ".join(map(repr, get_close_matches(name, sorted(_COMMANDS))))
            meant = f" Did you mean {close}?" if close else ""
            raise click.UsageError(f"No such command {name!r}.{meant}", context)
        return super().resolve_command(context, words)

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        _name_in_environment(command, f"HOLYSTONE_{name}")
        return command


def _name_in_environment(command: click.Command, prefix: str) -> None:
    """Have each option take its value from the environment, where it has no name there yet: HOLYSTONE_CHECK_FAIL_ON."""
    for option in command.params:
        if isinstance(option, click.Option) and option.envvar is None:
            longest = max(option.opts, key=len)
            option.envvar = f"{prefix}{longest.removeprefix('-').replace('-', '_')}".upper()
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            _name_in_environment(inner, f"{prefix}_{name}")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(holystone.__version__, prog_name="holystone", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Hold the databases of durable executions to their history: check, repair, migrate.

    TARGET is the path of a SQLite file or a URL such as postgresql://user@host/database, with --schema.
    HOLYSTONE_TARGET and HOLYSTONE_SCHEMA stand in for them, and for any other option its command and name, as
    HOLYSTONE_CHECK_FAIL_ON does for --fail-on of check. HOLYSTONE_DEBUG=1 shows the traceback of a fault of holystone.

    Exit status: 0 clean or done; 1 findings, or planned rows left undone; 2 could not run.
    """
    if os.environ.get("NO_COLOR"):
        context.color = False
    elif os.environ.get("FORCE_COLOR"):
        context.color = True


def main() -> None:
    """Run the command line and exit; never with a traceback for what a user can mend."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us; a database must not get its number
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    _look_for_garbage_rarely()
    if _COMPLETE in os.environ:
        import_module("holystone.cli.completion")  # has the shells that click does not know, or not well enough
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    status: int = Exit.COULD_NOT_RUN
    # A signal may come between these lines too, where `run` does not turn it into a sentence.
    with suppress(KeyboardInterrupt):
        _stop_in_order()
        status = run()
        _end_at_once()
    sys.exit(status)


def _look_for_garbage_rarely() -> None:
    """Save a short command a fifth of its time.

    Python looks for cycles among all objects whenever many were made, as by imports, and once more as it exits.
    """
    gc.set_threshold(200_000)
    atexit.register(gc.freeze)


_TO_END = {signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if name in signal.Signals.__members__}
"""What asks a process to end; Windows has no SIGHUP."""


def _stop_in_order() -> None:
    """Have the first of each signal that asks a process to end stop it as Ctrl-C does; a second one ends it at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    for number in _TO_END:
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup has SIGHUP ignored
            signal.signal(number, stop)


def _end_at_once() -> None:
    """Have a signal end the process, now that all is done and said: Python would print a traceback as it shuts down."""
    for number in {signal.SIGINT, *_TO_END}:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        status = cli.main(arguments, prog_name="holystone", complete_var=_COMPLETE, standalone_mode=False)
        # A report is only done when it is out.
        sys.stdout.flush()
        return int(status) if isinstance(status, int) else Exit.OK
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except click.ClickException as error:
        _show(error)
    except (click.Abort, KeyboardInterrupt):
        _tell_of_stop()
    except HolystoneError as error:
        _complain(error.message, error.next_step)
    except (BrokenPipeError, PipeClosedError):
        _give_up_output()
    except BaseException as error:
        if not _comes_of_stop(error):
            return _unforeseen(error)
        _tell_of_stop()
    return _could_not_run()


def _could_not_run() -> int:
    """Return the exit status of a command that could not run, as whoever reads it takes it."""
    return Exit.UNKNOWN if _is_for_nagios() else Exit.COULD_NOT_RUN


def _is_for_nagios() -> bool:
    """Return whether the command line asks for the format of Nagios, even one that cannot be parsed."""
    words = sys.argv[1:]
    if any(word.startswith("--format") for word in words):
        return "--format=nagios" in words or ("--format", "nagios") in pairwise(words)
    return words[:1] == ["check"] and os.environ.get("HOLYSTONE_CHECK_FORMAT") == "nagios"


def _tell_of_stop() -> None:
    from holystone.render.messages import notice

    notice("Stopped; nothing more was done.")


def _comes_of_stop(error: BaseException | None) -> bool:
    """Return whether an error came while a KeyboardInterrupt was on its way: a library fails as it takes back."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _show(error: click.ClickException) -> None:
    """Show how a command is used, and what is wrong with the one that was given, whose words may hold anything."""
    from holystone.printable import one_line
    from holystone.render.messages import block

    shown = io.StringIO()
    error.show(shown)
    usage, begin, said = shown.getvalue().partition("Error: ")
    if not isinstance(error, click.MissingParameter):  # that one repeats nothing, and may list what there is
        said = one_line(said.rstrip("\n")) + "\n"
    elif error.param is not None and error.param.name in ("target", "targets"):
        said = f"{said.rstrip()} HOLYSTONE_TARGET, which may name it, is not set.\n"
    block(f"{usage}{begin}{said}", err=True)
    _tell_nagios(error.format_message())


def _unforeseen(error: BaseException) -> int:
    """Say what became of a command that ended as no command should, and return its exit status."""
    if isinstance(error, SystemExit) and _COMPLETE in os.environ:
        return Exit.COULD_NOT_RUN if error.code else Exit.OK  # how click ends a completion
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        _give_up_output()
        _complain(f"The output cannot be written: {os.strerror(error.errno or 0).lower()}.", "Write it elsewhere.")
        return _could_not_run()
    from holystone.cli.crash import reported

    _complain(*reported(error))
    return _could_not_run()


def _complain(message: str, next_step: str) -> None:
    from holystone.render.messages import error

    error(message, next_step)
    _tell_nagios(message)


def _tell_nagios(message: str) -> None:
    """Say on standard output, which is all that it reads, that nothing is known."""
    if _is_for_nagios():
        from holystone.render.messages import block
        from holystone.render.nagios import unknown

        block(unknown(message))


def _give_up_output() -> None:
    """Let what is still in the buffer go nowhere; Python would complain once more when it closes stdout."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
