"""Targets: what a user types to name a store."""

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from holystone.errors import TargetError

_POSTGRESQL_NAMES = ("postgresql", "postgres", "postgresql+psycopg")
_HOW = "Name a SQLite file, or a URL such as postgresql://user@host/database with --schema."


@dataclass(frozen=True)
class Target:
    """Where a store is: either the path of a SQLite file or the URL of a PostgreSQL database."""

    path: Path | None
    url: URL | None
    schema: str | None

    @property
    def flavour(self) -> str:
        return "sqlite" if self.path is not None else "postgresql"

    def __str__(self) -> str:
        """Return the target as it may be printed: without any password."""
        if self.url is None:
            return str(self.path)
        query = {name: value for name, value in self.url.query.items() if "password" not in name}
        return self.url.set(drivername="postgresql", query=query).render_as_string(hide_password=True)

    def without_secrets(self, text: str) -> str:
        """Return `text`, a message of a driver, with this target's passwords struck out."""
        if self.url is None:
            return text
        secrets = [self.url.password, *(v for name, v in self.url.query.items() if "password" in name)]
        for secret in secrets:
            if isinstance(secret, str) and secret:
                text = text.replace(secret, "***")
        return text


def parse_target(text: str, schema: str | None = None) -> Target:
    """Return the target that `text` names; TargetError where it names none."""
    if "://" not in text:
        return _sqlite_target(text, schema)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text itself is not repeated: what cannot be parsed may hold a password.
        raise TargetError("The target is not a URL that can be read.", _HOW) from None
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        return _sqlite_target(url.database or "", schema)
    if url.drivername not in _POSTGRESQL_NAMES:
        raise TargetError(
            f"The dialect {url.drivername!r} is unknown: duroxide has a SQLite and a PostgreSQL store.", _HOW
        )
    return Target(path=None, url=url.set(drivername="postgresql+psycopg"), schema=schema or "public")


def _sqlite_target(path: str, schema: str | None) -> Target:
    if _may_hold_password(path):
        # A URL or a connection string that was mistyped; it is not repeated, as above.
        raise TargetError("The target is not a URL that can be read.", _HOW)
    if not path or path == ":memory:" or "\0" in path:
        raise TargetError("The target names no SQLite file.", _HOW)
    if path.endswith("/"):
        raise TargetError("The target names a folder, not a SQLite file.", _HOW)
    if schema is not None:
        raise TargetError("A SQLite store has no schemas, so --schema cannot be used with it.", "Leave --schema out.")
    return Target(path=Path(path), url=None, schema=None)


def _may_hold_password(path: str) -> bool:
    """Return whether it looks like a mistyped URL or connection string, and is the name of no file."""
    before, at, _ = path.partition("@")
    looks = (path.startswith("postgres") and ":" in path) or "password=" in path or (bool(at) and ":" in before)
    return looks and not os.path.exists(path)
