"""A connection of psycopg whose statement can be given up, also where the server or the network does not answer.

psycopg sends a request to cancel the statement and waits for what comes of it; before 3.3 without a bound, and before
3.2, or with a libpq before 17, it holds Python's lock meanwhile, so that no other thread and no signal gets through.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from threading import Timer
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

PATIENCE_SECONDS = 3.0
"""After so long a server that does not take a statement back is given up, and the connection closed."""
_LOOK_SECONDS = 0.1
"""How often a wait for the server looks whether a signal has come."""
_ASK_FOR_ENCRYPTION = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
"""SSLRequest of the protocol, which every server and pooler answers with one letter, and before any log-in."""

Answer = TypeVar("Answer")


class StoppableConnection(psycopg.Connection[Any]):
    """A connection that gives its statement up within PATIENCE_SECONDS; where the server does not, it is closed."""

    answers_within: float | None = None
    """Seconds after which the connection is closed where the server does not answer; None for never."""
    _stopped_at: float | None = None

    def stop(self) -> None:
        """Have the statement that another thread runs end, if there is one; to be called again until it has ended."""
        if not self._is_waiting:
            return
        now = monotonic()
        if self._stopped_at is None:
            self._stopped_at = now
        left = self._stopped_at + PATIENCE_SECONDS - now
        if left > 0:
            self._ask_to_cancel(left)
        else:
            self._hang_up()

    def wait(self, gen: PQGen[Answer], interval: float = _LOOK_SECONDS, timeout: float | None = None) -> Answer:
        """Return what comes of a statement; a KeyboardInterrupt is raised once it is given up."""
        bound = {} if timeout is None else {"timeout": timeout}  # which psycopg has from 3.3 on
        unbounded = self.answers_within is None
        try:
            with nullcontext() if unbounded else self.answering_within(self.answers_within or 0):
                return waiting.wait(gen, self.pgconn.socket, interval, **bound)
        except KeyboardInterrupt:
            if self._is_waiting:
                self._give_up(gen)
            raise

    @contextmanager
    def answering_within(self, seconds: float) -> Iterator[None]:
        """Have the connection closed where the server has not answered by then to what the context asks."""
        end = Timer(seconds, self._hang_up)
        end.daemon = True
        end.start()
        try:
            yield
        finally:
            end.cancel()
            end.join()  # no process is forked while there are threads

    @property
    def _is_waiting(self) -> bool:
        """Whether an answer of the server is still to come."""
        return self.pgconn.transaction_status == TransactionStatus.ACTIVE

    def _give_up(self, gen: PQGen[Answer]) -> None:
        """Take the statement back, as far as the server does it in time; else the connection is closed."""
        try:
            with self.answering_within(PATIENCE_SECONDS):
                self._ask_to_cancel(PATIENCE_SECONDS)
                waiting.wait(gen, self.pgconn.socket, _LOOK_SECONDS)
        except psycopg.errors.QueryCanceled:
            pass
        except BaseException as error:
            # Answers that are still to come would be taken for those to what is asked next.
            self.pgconn.finish()
            if not isinstance(error, psycopg.Error):
                raise

    def _ask_to_cancel(self, seconds: float) -> None:
        """Ask the server to cancel what it is at, and wait for that so long at most."""
        with suppress(psycopg.Error, OSError):
            if _has_bounded_cancel():
                self.cancel_safe(timeout=seconds)
            elif self._answers(seconds):
                self.cancel()

    def _answers(self, seconds: float) -> bool:
        """Return whether the server answers a new connection within that time."""
        with self._connected(seconds) as one:
            one.sendall(_ASK_FOR_ENCRYPTION)
            return bool(one.recv(1))

    def _connected(self, seconds: float) -> socket.socket:
        host, port = self.pgconn.host.decode(), int(self.pgconn.port)
        if not host.startswith("/"):
            return socket.create_connection((self.pgconn.hostaddr.decode() or host, port), seconds)
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(seconds)
        one.connect(f"{host}/.s.PGSQL.{port}")
        return one

    def _hang_up(self) -> None:
        """Have whoever waits for the server be told that the connection is closed; nothing is sent."""
        with suppress(psycopg.Error, OSError):
            one = socket.socket(fileno=self.pgconn.socket)
            try:
                one.shutdown(socket.SHUT_RDWR)
            finally:
                one.detach()  # libpq closes it


def _has_bounded_cancel() -> bool:
    capabilities = getattr(psycopg, "capabilities", None)
    return capabilities is not None and bool(capabilities.has_cancel_safe())
