"""What stands between a command and its server in a test, and lets something happen at a moment of its choice."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import make_url

from .helpers import Sample

_SECONDS = 20
SHUTTING_DOWN = "the database system is shutting down"


def message(kind: bytes, body: bytes) -> bytes:
    """Return a message as both sides of a connection send it."""
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def refusal(state: str, words: str) -> bytes:
    """Return the message with which a server refuses a client, or ends a connection."""
    fields = [b"SFATAL", b"VFATAL", b"C" + state.encode(), b"M" + words.encode(), b""]
    return message(b"E", b"\0".join(fields) + b"\0")


@dataclass(eq=False)
class Session:
    """A client's connection and the one to the server that answers it."""

    of: Interposer
    client: socket.socket
    server: socket.socket
    pid: int = 0
    in_transaction: bool = False
    _unread: bytes = field(default=b"", repr=False)
    _unsaid: bytes = field(default=b"", repr=False)

    def serve(self) -> None:
        """Pass on what both say until either hangs up; a journey is what the client says before it waits."""
        # A client whose server has hung up before it was told something would wait for the answer for ever.
        with closing(self), selectors.DefaultSelector() as ready, suppress(OSError):
            ready.register(self.client, selectors.EVENT_READ)
            ready.register(self.server, selectors.EVENT_READ)
            began = False
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(1 << 20)  # type: ignore[union-attr]
                    if not data:
                        return
                    if self.of.swallows:
                        continue
                    if key.fileobj is self.server:
                        self._note(data)
                        self.client.sendall(data)
                    elif not began:
                        began = True
                        self.server.sendall(data)
                    else:
                        self._say(self._all_said(data))

    def _note(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Read the messages of the server, as far as they are whole, and note what they tell."""
        self._unread += data
        read = []
        while len(self._unread) >= 5 and len(self._unread) > (length := int.from_bytes(self._unread[1:5], "big")):
            kind, body = self._unread[:1], self._unread[5 : length + 1]
            self._unread = self._unread[length + 1 :]
            if kind == b"K":
                self.pid = int.from_bytes(body[:4], "big")
            if kind == b"Z":
                self.in_transaction = body == b"T"
            read.append((kind, body))
        return read

    def _say(self, said: bytes) -> None:
        """Pass on what the client has said, unless something comes to pass instead."""
        if self.of.swallows:
            return
        if said and (said[:1] == b"X" or not self.of.comes_to_pass(self, said)):
            self.server.sendall(said)

    def _all_said(self, data: bytes) -> bytes:
        """Return what the client has said since the last time, once it waits for an answer."""
        self._unsaid += data
        at, waits = 0, False
        while len(self._unsaid) >= at + 5:
            waits = self._unsaid[at : at + 1] in (b"Q", b"S", b"H", b"X")
            at += 1 + int.from_bytes(self._unsaid[at + 1 : at + 5], "big")
        if not waits or at != len(self._unsaid):
            return b""
        said, self._unsaid = self._unsaid, b""
        return said

    def ask(self, statement: str) -> bytes:
        """Have the server run a statement of which the client knows nothing, and return what it answers."""
        self.server.sendall(message(b"Q", statement.encode() + b"\0"))
        answer = b""
        while data := self.server.recv(1 << 20):
            answer += data
            if any(kind == b"Z" for kind, _ in self._note(data)):
                return answer
        raise OSError

    def until_the_server_hangs_up(self) -> None:
        """Give the client the server's last words, and hang up."""
        self.server.settimeout(_SECONDS)
        while data := self.server.recv(1 << 20):
            self.client.sendall(data)
        self.close()

    def close(self) -> None:
        """Hang up on both."""
        for one in (self.client, self.server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


Event = Callable[[Session], bool]
"""Something that happens when a client has said something; returns whether the server is not to hear of it."""


class Interposer:
    """A server that passes on to another; `journeys` counts what all clients have said."""

    def __init__(self, path: str, admin: str) -> None:
        self._path = path
        self._admin = admin
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.RLock()
        self._event: Event | None = None
        self._at = 0
        self._sparing: bytes | None = None
        self.sessions: list[Session] = []
        self.journeys = 0
        self.refuses = False
        self.swallows = False
        self.has_happened = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def close(self) -> None:
        self._listener.close()
        for session in self.sessions:
            session.close()

    def plan(self, event: Event | None = None, at: int = 0, sparing: bytes | None = None) -> None:
        """Let this happen at a journey, counted from now on, or at the next one without this word."""
        self._sparing = sparing
        self.journeys, self.has_happened, self.refuses, self.swallows = 0, False, False, False
        self._event, self._at = event, at

    def comes_to_pass(self, session: Session, said: bytes) -> bool:
        with self._lock:
            self.journeys += 1
            if self._event is None or self.has_happened or self.journeys < self._at:
                return False
            if self._sparing is not None and self._sparing in said:
                return False
            self.has_happened = True
            return self._event(session)

    def administer(self, statement: str, *values: Any) -> None:
        """Run a statement on the server itself."""
        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute(statement.encode(), values)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuses:
                with client, suppress(OSError):
                    client.recv(1 << 16)
                    client.sendall(refusal("57P03", SHUTTING_DOWN))
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._path)
            session = Session(self, client, server)
            self.sessions.append(session)
            threading.Thread(target=session.serve, daemon=True).start()


@contextmanager
def interposed(store: Sample) -> Iterator[tuple[Interposer, Sample]]:
    """Yield what stands before the store's server, and the store as it is reached through it."""
    url = make_url(store.target)
    between = Interposer(f"{url.query['host']}/.s.PGSQL.5432", store.target)
    through = url.set(host="127.0.0.1", port=between.port, query={"sslmode": "disable", "gssencmode": "disable"})
    try:
        yield between, Sample(through.render_as_string(hide_password=False), store.schema)
    finally:
        between.close()


# What can happen. Each is done by the server itself, at the moment at which the client has just said something.


def terminate(session: Session) -> bool:
    """An administrator ends the connection."""
    session.of.administer("SELECT pg_terminate_backend(%s)", session.pid)
    session.until_the_server_hangs_up()
    return True


def shut_down(session: Session) -> bool:
    """The server is shut down: it ends all connections, and takes no new ones."""
    session.of.refuses = True
    for one in session.of.sessions:
        if one is not session:
            session.of.administer("SELECT pg_terminate_backend(%s)", one.pid)
    return terminate(session)


def hang_up(session: Session) -> bool:
    """The connection is lost without a word, as where a machine or a process dies."""
    session.close()
    return True


def swallow(session: Session) -> bool:
    """The network passes nothing on any more, to anybody, and no one is told."""
    session.of.swallows = True
    return True


def time_out_idle(session: Session) -> bool:
    """The server ends the session for its idleness."""
    name = "idle_in_transaction_session_timeout" if session.in_transaction else "idle_session_timeout"
    session.ask(f"SET {name} = '1ms'")
    session.until_the_server_hangs_up()
    return True


def time_out_transaction(session: Session) -> bool:
    """The server ends the session for the length of its transaction (from version 17 on)."""
    if not session.in_transaction:
        return time_out_idle(session)
    session.ask("SET transaction_timeout = '1ms'")
    session.until_the_server_hangs_up()
    return True


def failing(state: str, words: str) -> Event:
    """The server ends the statement with this error."""

    def fail(session: Session) -> bool:
        said = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = '{words}'; END $$"
        session.client.sendall(session.ask(said))
        return True

    return fail
