"""Servers that are not there, will not let anybody in, or are none; and what a URL may give away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from .helpers import SCHEMA, Run, Sample, assert_refused

pytestmark = pytest.mark.long

SECRET = "hunter2-and-more"
COMMANDS = (["check"], ["repair", "plan"], ["repair", "apply", "--yes"], ["repair", "log"], ["migrate", "upgrade"])


@pytest.fixture(params=COMMANDS, ids=" ".join)
def command(request: pytest.FixtureRequest) -> list[str]:
    words: list[str] = request.param
    return words


def closed_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_a_closed_port_is_no_server(run: Run, command: list[str]) -> None:
    url = f"postgresql://user:{SECRET}@127.0.0.1:{closed_port()}/database"
    result = run(*command, url)
    assert_refused(result, "cannot be reached", "refused")
    assert SECRET not in result.err


def test_a_missing_socket_is_no_server(run: Run, command: list[str], tmp_path: Path) -> None:
    result = run(*command, f"postgresql://user:{SECRET}@/database?host={tmp_path}")
    assert_refused(result, "cannot be reached")
    assert SECRET not in result.err


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def refusal(state: str, words: str) -> bytes:
    fields = [b"SFATAL", b"VFATAL", b"C" + state.encode(), b"M" + words.encode(), b""]
    return message(b"E", b"\0".join(fields) + b"\0")


ASK_FOR_PASSWORD = message(b"R", (3).to_bytes(4, "big"))
Answer = Callable[[socket.socket], None]


def wrong_password(client: socket.socket) -> None:
    client.recv(1000)
    client.sendall(ASK_FOR_PASSWORD)
    client.recv(1000)
    # No server repeats the password; a pooler's message might.
    client.sendall(refusal("28P01", f'password authentication failed for user "user" ({SECRET})'))


def no_entry(client: socket.socket) -> None:
    client.recv(1000)
    client.sendall(refusal("28000", 'no pg_hba.conf entry for host "127.0.0.1", user "user"'))


def too_many_clients(client: socket.socket) -> None:
    client.recv(1000)
    client.sendall(refusal("53300", "sorry, too many clients already"))


def starting_up(client: socket.socket) -> None:
    client.recv(1000)
    client.sendall(refusal("57P03", "the database system is starting up"))


def terminal_escapes(client: socket.socket) -> None:
    client.recv(1000)
    client.sendall(refusal("28000", "\x1b[2J\x1b]0;owned\x07 no entry"))


def web_server(client: socket.socket) -> None:
    client.recv(1000)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def hangs_up(client: socket.socket) -> None:
    client.recv(1000)


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that answers each client by the function that is the parameter."""
    answer: Answer = request.param
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                answer(client)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize(
    ("answering", "says"),
    [
        (wrong_password, "password authentication failed"),
        (no_entry, "no pg_hba.conf entry"),
        (too_many_clients, "too many clients"),
        (starting_up, "cannot be reached: the database system is starting up"),
        (terminal_escapes, "no entry"),
        (web_server, "cannot be reached: "),
        (hangs_up, "cannot be reached: "),
    ],
    indirect=["answering"],
)
def test_a_server_that_lets_nobody_in_is_named_without_the_password(run: Run, answering: int, says: str) -> None:
    result = run("check", f"postgresql://user:{SECRET}@127.0.0.1:{answering}/database?sslmode=disable")
    assert_refused(result, f"postgresql://user:***@127.0.0.1:{answering}/database", says)
    assert ("Mend user" in result.err) == ("cannot be reached" not in says)
    assert SECRET not in result.err
    assert "\x1b" not in result.err


@pytest.mark.parametrize("answering", [wrong_password], indirect=True)
def test_a_password_that_is_lacking_is_asked_for(run: Run, answering: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    result = run("check", f"postgresql://user@127.0.0.1:{answering}/database?sslmode=disable")
    assert_refused(result, "/database?sslmode=disable asks for a password, and none is given.", "~/.pgpass")


@pytest.mark.parametrize("name", ["password", "PASSWORD"])
def test_a_password_in_the_query_is_not_printed_either(run: Run, name: str) -> None:
    url = f"postgresql://127.0.0.1:{closed_port()}/database?user=user&{name}={SECRET}&sslpassword={SECRET}"
    result = run("check", url)
    assert_refused(result, "cannot be reached")
    assert SECRET not in result.err


def test_a_missing_role_is_named(run: Run, postgresql_store: Sample, command: list[str]) -> None:
    url = make_url(postgresql_store.target).set(username="no_such_role", password=SECRET)
    result = run(*command, url.render_as_string(hide_password=False), "--schema", SCHEMA)
    assert_refused(result, "no_such_role")
    assert SECRET not in result.err


def test_a_missing_database_is_named(run: Run, postgresql: Any, command: list[str]) -> None:
    assert_refused(run(*command, postgresql.url("no_such_database")), "no_such_database", "does not exist")


def test_a_missing_schema_is_named_and_the_right_one_is_told(
    run: Run, postgresql_store: Sample, command: list[str]
) -> None:
    result = run(*command, postgresql_store.target, "--schema", "elsewhere")
    assert_refused(result, "The schema 'elsewhere' of ", "does not exist", f"--schema {SCHEMA}")


def test_a_schema_without_the_engines_tables_is_no_store(run: Run, postgresql_store: Sample) -> None:
    refused = run("check", postgresql_store.target, "--schema", "public")
    assert_refused(refused, "The schema 'public' of ", "holds none of duroxide's tables")


def test_a_database_without_any_store_is_no_store(run: Run, postgresql: Any) -> None:
    assert_refused(
        run("check", postgresql.url()), "holds none of duroxide's tables", "Name the database and the schema"
    )


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{SECRET}@host:port/database",
        f"postgresql://user:{SECRET}@[::1/database",
        f"postgresql:/user:{SECRET}@host/database",
        f"postgres:user:{SECRET}@host/database",
        f"postgresql//user:{SECRET}@host/database",
        f"://user:{SECRET}@host/database",
        f"host=localhost dbname=database user=user password={SECRET}",
        f"mysql://user:{SECRET}@host/database",
        f"postgresql+asyncpg://user:{SECRET}@host/database",
        f"duroxide://user:{SECRET}@host/database",
    ],
)
def test_a_target_that_is_not_understood_gives_no_password_away(run: Run, command: list[str], url: str) -> None:
    result = run(*command, url)
    assert_refused(result)
    assert SECRET not in result.err


@pytest.mark.parametrize("dialect", ["mysql", "oracle", "postgresql+asyncpg", "https"])
def test_an_unknown_dialect_is_named(run: Run, dialect: str) -> None:
    assert_refused(run("check", f"{dialect}://host/database"), f"The dialect {dialect!r} is unknown")


def test_a_schema_goes_with_no_file(run: Run, sqlite_store: Sample) -> None:
    assert_refused(run("check", sqlite_store.target, "--schema", "public"), "A SQLite store has no schemas")
