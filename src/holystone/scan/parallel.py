"""Task in threads whose results come in order, through buffers that keep memory flat."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain, islice
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

BUFFER = 1_000
"""Results of one task that wait for those before them."""
AHEAD = 8
"""Pieces of work that are begun, and may be done, while the results of one before them are still to come."""
_TICK_SECONDS = 0.05


class _End:
    """Stands behind the last result of a task."""


_END = _End()

R = TypeVar("R")
T = TypeVar("T")

Task = Callable[[R], Iterable[T]]
"""Yields results, with the use of a resource that no other task uses at the same time."""


def in_order(
    tasks: Iterable["Task[R, T]"],
    resources: Sequence[R],
    interrupt: Callable[[R], None],
    beside: Sequence["Task[R, T]"] = (),
) -> Generator[T, None, None]:
    """Yield the results of all tasks, in the order of the tasks; as many at once as there are resources.

    Those `beside` them, fewer than the resources, are begun first, and their results come last: nothing waits for them.
    An error of a task is raised in its place. Whoever stops iterating stops the work as well: what a resource
    is busy with then is interrupted, and nobody uses any resource when this comes to its end.
    """
    tasks = iter(tasks)
    begun = list(islice(tasks, 2))
    tasks = chain(begun, tasks)
    if len(resources) == 1 or len(begun) + len(beside) == 1:
        for task in chain(tasks, beside):
            yield from task(resources[0])
        return
    stop = threading.Event()
    free: Queue[R | None] = Queue()
    for resource in resources:
        free.put(resource)
    with ThreadPoolExecutor(len(resources)) as pool:
        running: deque[_Running[R, T]] = deque()
        try:
            last = [_Running(pool, task, free, stop) for task in beside]
            for task in tasks:
                running.append(_Running(pool, task, free, stop))
                if len(running) >= len(resources) + AHEAD:
                    yield from running.popleft().results()
            running.extend(last)
            while running:
                yield from running.popleft().results()
        finally:
            stop.set()
            _take_back(resources, free, interrupt)


def _take_back(resources: Sequence[R], free: "Queue[R | None]", interrupt: Callable[[R], None]) -> None:
    """Return when no thread uses a resource any more: what one is busy with is interrupted.

    A pool does not know of a thread in whose start a KeyboardInterrupt came, and so does not wait for it.
    """
    left, seconds = list(resources), 0.0
    while left:
        with suppress(Empty):
            while left:
                resource = free.get(timeout=seconds)
                assert resource is not None
                left.remove(resource)
        for resource in left:
            interrupt(resource)
        seconds = _TICK_SECONDS
    free.put(None)


class _Running(Generic[R, T]):
    """A task in a thread, and what it has yielded so far."""

    def __init__(
        self, pool: ThreadPoolExecutor, task: "Task[R, T]", free: "Queue[R | None]", stop: threading.Event
    ) -> None:
        self._yielded: Queue[T | _End] = Queue(BUFFER)
        self._stop = stop
        self._done: Future[None] = pool.submit(self._run, task, free)

    def _run(self, task: "Task[R, T]", free: "Queue[R | None]") -> None:
        resource = free.get()
        if resource is None:  # all is over, for tasks that wait for this thread as well
            free.put(None)
            return
        try:
            if self._stop.is_set():
                return
            for result in task(resource):
                self._put(result)
                del result  # it may be large, and the next one take long
                if self._stop.is_set():
                    return
        finally:
            free.put(resource)
            self._put(_END)

    def _put(self, result: "T | _End") -> None:
        while not self._stop.is_set():
            try:
                return self._yielded.put(result, timeout=_TICK_SECONDS)
            except Full:
                continue

    def results(self) -> Iterator[T]:
        """Yield what the task yields until it is done; raise what it raised."""
        with _stopped_as_such():
            while not isinstance(result := self._yielded.get(), _End):
                yield result
                del result
            self._done.result()


@contextmanager
def _stopped_as_such() -> Iterator[None]:
    """Have a KeyboardInterrupt that comes upon a wait raised as that.

    It may come just before a condition takes its lock again, and Python fails to release that: with RuntimeError.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise
