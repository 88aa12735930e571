"""Holystone in a process of its own, which is given up where it comes to no end on a damaged store."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.pool import Pool
from typing import TypeVar

from judge.treatment import share_statements

T = TypeVar("T")
Run = Callable[..., T]
"""Calls a function of `treatment` with what is given to it."""


class NoEndError(Exception):
    """Says within which time there was no answer."""


def at_once(function: Callable[..., T], *given: object) -> T:
    """Return what the function does, in this process and however long it takes."""
    return function(*given)


class Patience:
    """Runs one function at a time in another process, for so many seconds; after that it is killed, and NoEndError."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._pool: Pool | None = None

    def __call__(self, function: Callable[..., T], *given: object) -> T:
        if self._pool is None:
            self._pool = multiprocessing.get_context("spawn").Pool(1, share_statements)
        try:
            return self._pool.apply_async(function, given).get(self._seconds)
        except multiprocessing.TimeoutError:
            self.close()
            raise NoEndError(f"holystone comes to no end within {self._seconds:g} s") from None

    def close(self) -> None:
        """Kill the process; the next call begins another one."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()
            self._pool = None
