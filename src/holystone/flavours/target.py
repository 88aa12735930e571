"""Targets: what a user types to name a store."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from holystone.errors import TargetError

_POSTGRESQL_NAMES = ("postgresql", "postgres", "postgresql+psycopg")
_HOW = "Name a SQLite file, or a URL such as postgresql://user@host/database with --schema."


@dataclass(frozen=True)
class Target:
    """Where a store is: either the path of a SQLite file or the URL of a PostgreSQL database.

    Where nobody has named the schema, it is the usual one, and the store may be in another.
    """

    path: Path | None
    url: URL | None
    schema: str | None
    schema_is_named: bool = True

    @property
    def flavour(self) -> str:
        return "sqlite" if self.path is not None else "postgresql"

    def __str__(self) -> str:
        """Return the target as it may be printed: without any password."""
        if self.url is None:
            return str(self.path)
        query = {
            name: value
            for name, value in self.url.query.items()
            if not _is_secret(name) and not _LOGIN.search(str(value))
        }
        return self.url.set(drivername="postgresql", query=query).render_as_string(hide_password=True)

    def without_secrets(self, text: str) -> str:
        """Return `text`, a message of a driver, with this target's passwords struck out."""
        if self.url is None:
            return text
        secrets = [self.url.password, *(v for name, v in self.url.query.items() if _is_secret(name))]
        for secret in secrets:
            if isinstance(secret, str) and secret:
                text = text.replace(secret, "***")
        return text


def _is_secret(parameter: str) -> bool:
    """Return whether a password may be what it is given; libpq takes no name in capitals, but people write them."""
    return "password" in parameter.lower()


def parse_target(text: str, schema: str | None = None) -> Target:
    """Return the target that `text` names; TargetError where it names none.

    It is a path, a URL as SQLAlchemy, libpq or the engine's sqlx takes it, or a connection string of libpq.
    """
    if not names_server(text):
        return _sqlite_target(_path_in(text), schema)
    if _SECOND_AT.match(text):
        # What follows the first @ would be printed as a host or a name, and may be the rest of a password.
        raise TargetError("The target has more than one @ that is not escaped.", "Write @ as %40 in all but the last.")
    try:
        text.encode()  # what is no UTF-8 is in no name that a server knows
        if text.count("://") > 1:  # two of them, one after the other: the second one's password would be no password
            raise ValueError
        url = _parsed_string(text) if "://" not in text else make_url(_with_hosts_in_query(text))
        of_libpq = _as_libpq_has_it(url)
    except (ArgumentError, ValueError):
        # The text itself is not repeated: what cannot be parsed may hold a password.
        raise TargetError("The target is not a URL that can be read.", _HOW) from None
    if url.drivername not in _POSTGRESQL_NAMES:
        raise TargetError(
            f"The dialect {url.drivername!r} is unknown: duroxide has a SQLite and a PostgreSQL store.", _HOW
        )
    return Target(path=None, url=of_libpq, schema=schema or "public", schema_is_named=bool(schema))


def names_server(text: str) -> bool:
    """Return whether the text names a server, and not a file."""
    if "://" in text:
        return not text.startswith(_SQLITE_NAMES)
    return _STRING.match(text) is not None and not Path(text).exists()


def is_url(text: str) -> bool:
    """Return whether the text is a URL or a connection string, and not the name of a file."""
    return names_server(text) or text.startswith(_SQLITE_NAMES)


WILD = re.compile(r"[*?\[]")
"""What makes a pattern of the name of a file."""
_SQLITE_NAMES = ("sqlite:", "sqlite+pysqlite:")
_STRING = re.compile(r"\s*(host|hostaddr|port|dbname|user|password|passfile|service|sslmode|options)\s*=")
"""How a connection string of libpq begins."""
_SECOND_AT = re.compile(r"[^?]*://[^?]*@[^?]*@")
_PAIR = re.compile(r"\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)")
_HOSTS = re.compile(r"(?P<before>[\w+]+://(?:[^/?#]*@)?)(?P<hosts>[^/?#@]*,[^/?#@]*)(?P<rest>[/?#].*|$)")
_SQLX = {
    "ssl-mode": "sslmode",
    "ssl-root-cert": "sslrootcert",
    "ssl-ca": "sslrootcert",
    "ssl-cert": "sslcert",
    "ssl-key": "sslkey",
}
"""Parameter of a URL that only sqlx knows -> libpq's name of it: `sqlx-postgres/src/options/parse.rs`."""
_PARAMETER = re.compile(r"[\w.-]+(\[[\w.]+\])?")
_LOGIN = re.compile(r":[^@]*@")
"""What may be a password in a place where none is looked for."""
_SQLX_OPTION = re.compile(r"options\[(.+)\]")
_SQLX_ONLY = ("statement-cache-capacity",)
"""What concerns nobody but sqlx."""


def _parsed_string(text: str) -> URL:
    """Return what a connection string such as `host=/tmp dbname=x` says; ValueError where it cannot be read."""
    found: dict[str, str] = {}
    at = 0
    while text[at:].strip():
        pair = _PAIR.match(text, at)
        if pair is None:
            raise ValueError
        quoted, plain = pair[2], pair[3]
        found[pair[1]] = re.sub(r"\\(.)", r"\1", plain if quoted is None else quoted)
        at = pair.end()
    user, password, database = (found.pop(name, None) for name in ("user", "password", "dbname"))
    hosts, ports = found.pop("host", ""), found.pop("port", "")
    if "," in hosts:
        of_each = ports.split(",") if "," in ports else [ports] * len(hosts.split(","))
        both = tuple(f"{host}:{port}" if port else host for host, port in zip(hosts.split(","), of_each, strict=True))
        return URL.create("postgresql", user, password, None, None, database, {**found, "host": both})
    query = {**found, "host": hosts} if hosts else found
    return URL.create("postgresql", user, password, None, int(ports) if ports else None, database, query)


def _with_hosts_in_query(text: str) -> str:
    """Return a URL that names several hosts as SQLAlchemy has it: each as a parameter of the query."""
    several = _HOSTS.fullmatch(text)
    if several is None:
        return text
    rest, mark, query = several["rest"].partition("?")
    named = [f"host={host}" for host in several["hosts"].split(",")]
    return f"{several['before']}{rest or '/'}?{'&'.join([*named, *filter(None, [query if mark else ''])])}"


def _as_libpq_has_it(url: URL) -> URL:
    """Return the URL without what only sqlx knows, and with the path of a socket that stands for the host.

    ValueError where a parameter has no name of one, or the database that of a login; ArgumentError where SQLAlchemy can
    make no connection of it, such as of a port that is no number.
    """
    if _LOGIN.search(url.database or ""):
        raise ValueError
    query: dict[str, Any] = {}
    options: list[str] = []
    for name, value in url.query.items():
        if not _PARAMETER.fullmatch(name):
            raise ValueError
        if option := _SQLX_OPTION.fullmatch(name):
            options += [f"-c {option[1]}={one}" for one in ([value] if isinstance(value, str) else value)]
        elif name == "options":
            options += [value] if isinstance(value, str) else value
        elif name not in _SQLX_ONLY:
            query[_SQLX.get(name, name)] = value
    if options:
        query["options"] = " ".join(options)
    host = unquote(url.host or "")
    if host.startswith(("/", "@")):
        query.setdefault("host", host)
        url = url.set(host="")
    url = url.set(drivername="postgresql+psycopg", query=query)
    url.get_dialect()().create_connect_args(url)
    return url


def _path_in(text: str) -> str:
    """Return the path in a text that names a file: as it stands, or in a URL of SQLAlchemy or of sqlx.

    What follows the path says how the engine opens it. SQLAlchemy's `sqlite:///a.db` is a.db in the folder where one
    is, and sqlx's is /a.db; whichever is there is meant. TargetError where both are, or where none is in a file.
    """
    name = next((name for name in _SQLITE_NAMES if text.startswith(name)), None)
    if name is None or (name == "sqlite:" and Path(text).exists()):
        return text
    written, _, parameters = text.removeprefix(name).partition("?")
    if "mode=memory" in parameters.split("&"):
        return ""
    path = unquote(written.removeprefix("//"))
    if not written.startswith("///") or written.startswith("////"):
        return path.replace("//", "/", 1) if path.startswith("//") else path
    relative = path[1:]
    if Path(path).exists() and Path(relative).exists() and not Path(path).samefile(relative):
        raise TargetError(
            f"{path} and {relative} are both there, and the target may mean either.", "Name the path alone."
        )
    return path if Path(path).exists() else relative


def _sqlite_target(path: str, schema: str | None) -> Target:
    if not path or path == ":memory:" or "\0" in path:
        raise TargetError("The target names no SQLite file.", _HOW)
    if may_hold_password(path):
        # A URL or a connection string that was mistyped; it is not repeated, as above.
        what = "a file that exists, a pattern that a file matches" if WILD.search(path) else "a file that exists"
        raise TargetError(f"The target is neither {what} nor a URL that can be read.", _HOW)
    if path.endswith("/"):
        raise TargetError("The target names a folder, not a SQLite file.", _HOW)
    if schema is not None:
        raise TargetError("A SQLite store has no schemas, so --schema cannot be used with it.", "Leave --schema out.")
    return Target(path=Path(path), url=None, schema=None)


def may_hold_password(path: str) -> bool:
    """Return whether it can be a mistyped URL or connection string, and is the name of no file."""
    return bool(re.search("[:@=]", os.path.splitdrive(path)[1])) and not os.path.exists(path)
