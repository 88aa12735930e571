"""Progress of long scans, on stderr, where a person watches."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE_SECONDS = 1.0
"""How long nothing is shown: most scans are over by then."""


@contextmanager
def progress_bar(*, streamed: bool = False) -> Iterator[Callable[[str, int, int], None] | None]:
    """Yield a function to report rows done and in all by name; None where nobody watches a terminal.

    Output that is `streamed` meanwhile to the same terminal would be overwritten, so there is no bar then.
    """
    unwatched = not sys.stderr.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if unwatched or (streamed and sys.stdout.isatty()):
        yield None
        return
    bar = _Bar()
    try:
        yield bar.report
    finally:
        bar.close()


class _Bar:
    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._progress: Progress | None = None
        self._begun_at: dict[str, tuple[float, int]] = {}

    def report(self, name: str, done: int, total: int) -> None:
        if done >= total:
            # Cleared at once: the report comes next, and must not be drawn over.
            self.close()
            return
        if self._progress is None:
            if time.monotonic() - self._begun < PATIENCE_SECONDS:
                return
            self._progress = self._start()
        known = {task.description: task.id for task in self._progress.tasks}
        begun = self._begun_at.setdefault(name, (time.monotonic(), done))
        rate = (done - begun[1]) / max(time.monotonic() - begun[0], 0.001)
        task = known[name] if name in known else self._progress.add_task(name, rate="")
        self._progress.update(task, completed=done, total=total, rate=f"{rate:,.0f} rows/s" if rate else "")

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _start(self) -> "Progress":
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        console = Console(stderr=True)
        progress = Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
        progress.start()
        return progress
