"""A dead-man's switch: a monitor is told when a check begins and how it ended, and alerts when it hears nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from holystone.cli.exit_codes import Exit

PATIENCE_SECONDS = 10.0
"""How long the monitor may take to answer."""


class _NoRedirects(HTTPRedirectHandler):
    """Follows none: where a ping goes is decided by who runs the command."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


@contextmanager
def pinged(url: str) -> Iterator[Callable[[int], None]]:
    """Tell the monitor that a command begins, and at the end how it did; yield what takes the exit status.

    What ends it without a status is a failure. A monitor that cannot be told is complained of, and changes nothing.
    """
    status: int = Exit.COULD_NOT_RUN

    def ended(by: int) -> None:
        nonlocal status
        status = by

    base = url.rstrip("/")
    _ping(f"{base}/start")
    try:
        yield ended
    finally:
        _ping(base if status == Exit.OK else f"{base}/fail")


def _ping(url: str) -> None:
    from holystone.render.messages import notice

    try:
        build_opener(_NoRedirects).open(url, timeout=PATIENCE_SECONDS).close()
    except HTTPError as error:
        error.close()
        notice(f"Warning: the monitor answered a ping with {error.code}.")
    except (OSError, HTTPException, ValueError) as error:
        notice(f"Warning: the monitor cannot be pinged: {getattr(error, 'reason', error)}.")
