"""The statements that SQLAlchemy has compiled, kept for all stores of this process.

SQLAlchemy keeps them for each engine. A process that opens many stores would compile each statement once a store, which
takes longer than to run them on a small one.
"""

from collections.abc import Hashable
from typing import Any

from sqlalchemy.util import LRUCache

_CAPACITY = 5000
"""Statements. All checks, on both flavours and several versions of the schema, have fewer."""
_DECIDING = ("paramstyle", "server_version_info", "_backslash_escapes")
"""What a dialect learns from its engine or its server, and statements are compiled by."""

Key = tuple[Any, ...]
"""The dialect, and what a statement is made of."""


class CompiledStatements(LRUCache[Key, Any]):
    """Compiled statements by the kind of their dialect: each engine has a dialect of its own."""

    def get(self, key: Key, default: Any = None) -> Any:
        """Return the compiled statement, `default` where there is none."""
        return super().get(_by_kind(key), default)

    def __setitem__(self, key: Key, compiled: Any) -> None:
        super().__setitem__(_by_kind(key), compiled)


def _by_kind(key: Key) -> tuple[Hashable, ...]:
    dialect, *made_of = key
    return (type(dialect), *(getattr(dialect, name, None) for name in _DECIDING), *made_of)


COMPILED_STATEMENTS = CompiledStatements(_CAPACITY)
