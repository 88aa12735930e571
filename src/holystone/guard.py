"""What plug-ins declare, guarded: whatever their functions do, it is told whose they are, and nothing else suffers.

Nothing can stop Python code that does not end: it is named on standard error, and Ctrl-C stops it.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import wraps
from types import UnionType
from typing import Any, TextIO, TypeVar, Union, get_args, get_origin, get_type_hints

from holystone.errors import CatalogueError
from holystone.printable import one_line

PATIENCE_SECONDS = 10.0
"""How long a plug-in may be at work before it is named."""


def guarded(declared: Any, plug_in: str) -> Any:
    """Return what a plug-in declares with its functions guarded; ValueError, as half a sentence, where it is misshapen.

    A guarded function raises CatalogueError, which names the plug-in, for all that goes wrong in it, and where what it
    returns is of another type than declared. What it prints goes to standard error.
    """
    hints = get_type_hints(type(declared))
    for field in fields(declared):
        if not _fits(getattr(declared, field.name), hints[field.name]):
            raise ValueError(f"its {field.name} is of another type than declared")
    what = f"{type(declared).__name__.lower()} {declared.id} of {plug_in}"
    functions = {
        field.name: _guarded(getattr(declared, field.name), what, field.name, get_args(hints[field.name])[1], plug_in)
        for field in fields(declared)
        if get_origin(hints[field.name]) is Callable
    }
    return replace(declared, **functions)


def _guarded(function: Callable[..., Any], what: str, name: str, returns: Any, plug_in: str) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any) -> Any:
        try:
            with at_work(f"the {what}"):
                result = function(*arguments)
                fit = _fits(result, returns)
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:  # it may fail in any way, and leave
            raise failure(what, f"{name} ended in {type(error).__name__}: {error}", plug_in) from error
        if not fit:
            raise failure(what, f"{name} returned {type(result).__name__}", plug_in)
        return result

    return call


def failure(what: str, why: str, plug_in: str) -> CatalogueError:
    """Return that something of a plug-in failed."""
    return CatalogueError(f"The {what} failed: its {why}.", f"Mend or uninstall {plug_in}.")


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value is of a type, the members of a sequence included."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or isinstance(hint, TypeVar):
        return True
    if hint is None or hint is type(None):
        return value is None
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in arguments)
    if origin is Callable:
        return callable(value)
    if origin in (Sequence, frozenset):
        return isinstance(value, origin) and not isinstance(value, str) and all(_fits(v, arguments[0]) for v in value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(key, arguments[0]) for key in value)
    return isinstance(value, hint if origin is None else origin)


# --- who is at work

_lock = threading.Lock()
_at_work: dict[int, tuple[str, float]] = {}
"""What each thread is busy with, and since when, by the monotonic clock."""
_stdout: TextIO | None = None
_watcher: threading.Thread | None = None


@contextmanager
def at_work(what: str) -> Iterator[None]:
    """Tell of `what` on standard error where it takes long, and keep what it prints out of our own output."""
    global _stdout
    me = threading.get_ident()
    with _lock:
        outer = _at_work.get(me)
        if not _at_work:
            _stdout, sys.stdout = sys.stdout, sys.stderr
            _watch()
        _at_work[me] = (what, time.monotonic())
    try:
        yield
    finally:
        with _lock:
            if outer is None:
                del _at_work[me]
            else:
                _at_work[me] = outer
            if not _at_work:
                sys.stdout, _stdout = _stdout, None


def _watch() -> None:
    global _watcher
    if _watcher is None or not _watcher.is_alive():  # a process that was forked has none
        _watcher = threading.Thread(target=_tell_of_slow, daemon=True, name="holystone plug-ins")
        _watcher.start()


def _tell_of_slow() -> None:
    told: set[tuple[str, float]] = set()
    while True:
        time.sleep(PATIENCE_SECONDS / 4)
        for what, since in list(_at_work.values()):
            if time.monotonic() - since > PATIENCE_SECONDS and (what, since) not in told:
                told.add((what, since))
                print(one_line(f"Still at work: {what}. Ctrl-C stops it."), file=sys.stderr, flush=True)
