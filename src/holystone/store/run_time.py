"""The time that a command may take: whatever still reads a store when it is over is interrupted."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

_TICK_SECONDS = 0.1
"""Between two attempts: an interruption ends the statement that runs just then, and not the one that begins after."""


class RunTime:
    """So many `seconds` from now on, for this process and all that it starts on the same machine."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._over_at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until it is over; 0 once it is."""
        return max(0.0, self._over_at - time.monotonic())

    @property
    def is_over(self) -> bool:
        return not self.left

    def lasting(self, seconds: float) -> "RunTime":
        """Return the same time, which is not over for so many seconds from now on at least."""
        longer = RunTime(self.seconds)
        longer._over_at = max(self._over_at, time.monotonic() + seconds)
        return longer

    @contextmanager
    def bounding(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Have `interrupt` called once the time is over, from another thread and again until the context ends."""
        ended = Event()

        def watch() -> None:
            if ended.wait(self.left):
                return
            while True:
                with suppress(Exception):  # a server that lets nobody in any more has ended the statement as well
                    interrupt()
                if ended.wait(_TICK_SECONDS):
                    return

        thread = Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
