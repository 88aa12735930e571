"""Processes that are forked: the connections that turns keep open stay with the process that opened them."""

import os
import sys
from weakref import WeakSet

from sqlalchemy import Engine, Pool

_engines: WeakSet[Engine] = WeakSet()
_inherited: list[Pool] = []
"""What the process had before this one was forked: to close such a connection here would end it there as well."""


def keep_apart(engine: Engine) -> None:
    """Have each process that is forked open connections of its own."""
    _engines.add(engine)


def _forked() -> None:
    for engine in _engines:
        _inherited.append(engine.pool)
        engine.dispose(close=False)


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forked)
