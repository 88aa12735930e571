"""Work in threads comes back in order, raises what went wrong, and stops when nobody listens any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from queue import Queue
from typing import Any

import pytest

from holystone.scan.parallel import AHEAD, BUFFER, _Running, _take_back, in_order


def nothing(resource: str) -> None:
    """For `interrupt`: these resources are never blocked."""


def counting(start: int, stop: int) -> Iterator[int]:
    yield from range(start, stop)


@pytest.mark.parametrize("resources", [["one"], ["one", "two"], ["one", "two", "three"]])
def test_results_come_in_the_order_of_the_pieces(resources: list[str]) -> None:
    size = BUFFER * 2 + 7
    pieces = [lambda _, n=n: counting(n * size, (n + 1) * size) for n in range(5)]
    assert list(in_order(pieces, resources, nothing)) == list(range(5 * size))


def test_what_is_beside_is_begun_first_and_comes_last() -> None:
    """However long it takes, all others go on: more of them than may be ahead of one whose results are to come."""
    begun, others_done = threading.Event(), threading.Event()

    def long(_: str) -> Iterator[int]:
        begun.set()
        assert others_done.wait(30)
        yield -1

    def piece(_: str, number: int) -> Iterator[int]:
        assert begun.wait(30)
        yield number

    pieces = [partial(piece, number=number) for number in range(4 * AHEAD)]
    results = in_order(pieces, ["one", "two"], nothing, beside=[long])
    assert [next(results) for _ in pieces] == list(range(4 * AHEAD))
    others_done.set()
    assert list(results) == [-1]


def test_one_resource_does_last_what_would_be_beside() -> None:
    assert list(in_order([lambda _: iter([1])] * 2, ["one"], nothing, beside=[lambda _: iter([2])])) == [1, 1, 2]


def test_an_error_beside_is_raised_after_all_others() -> None:
    def failing(_: str) -> Iterator[int]:
        raise ValueError("bad row")
        yield

    results = in_order([lambda _: iter([1])] * 3, ["one", "two"], nothing, beside=[failing])
    assert [next(results) for _ in range(3)] == [1, 1, 1]
    with pytest.raises(ValueError, match="bad row"):
        next(results)


@pytest.mark.parametrize("beside", [0, 1])
def test_no_resource_is_used_twice_at_a_time(beside: int) -> None:
    in_use: set[str] = set()
    clashes: list[str] = []
    lock = threading.Lock()

    def piece(resource: str) -> Iterator[int]:
        with lock:
            clashes.extend(in_use & {resource})
            in_use.add(resource)
        yield from range(100)
        with lock:
            in_use.remove(resource)

    assert len(list(in_order([piece] * 20, ["one", "two"], nothing, [piece] * beside))) == 2000 + 100 * beside
    assert clashes == []


def test_error_is_raised_in_its_place() -> None:
    def failing(_: str) -> Iterator[int]:
        yield 2
        raise ValueError("bad row")

    results = in_order([lambda _: iter([1]), failing, lambda _: iter([3])], ["one", "two"], nothing)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ValueError, match="bad row"):
        next(results)


@pytest.mark.parametrize("beside", [0, 1])
def test_whoever_stops_listening_interrupts_the_work(beside: int) -> None:
    busy = {"one": threading.Event(), "two": threading.Event()}
    interrupted = {"one": threading.Event(), "two": threading.Event()}

    def piece(resource: str) -> Iterator[int]:
        yield 0
        busy[resource].set()
        assert interrupted[resource].wait(30)
        yield 1

    results = in_order([piece] * 4, list(busy), lambda resource: interrupted[resource].set(), [piece] * beside)
    assert next(results) == 0
    assert all(one.wait(30) for one in busy.values())
    results.close()
    assert all(one.is_set() for one in interrupted.values())
    assert threading.active_count() == 1


def test_tasks_that_were_not_begun_end_as_well() -> None:
    """There are more of them than threads, and whatever they would work with has been taken back."""
    free: Queue[str | None] = Queue()
    free.put("one")
    free.put("two")
    stop = threading.Event()
    stop.set()
    _take_back(["one", "two"], free, nothing)
    with ThreadPoolExecutor(2) as pool:
        ends = [_Running(pool, lambda _: counting(0, 1), free, stop)._done for _ in range(AHEAD)]
        waiting = wait(ends, timeout=10).not_done
        for _ in waiting:
            free.put(None)
    assert not waiting


def test_an_error_ends_all_that_is_not_begun() -> None:
    def failing(_: str) -> Iterator[int]:
        raise ValueError("bad row")
        yield

    for _ in range(50):
        with pytest.raises(ValueError, match="bad row"):
            list(in_order([failing] * 12, ["one", "two"], nothing))


def test_a_stop_that_breaks_a_lock_is_raised_as_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python raises RuntimeError where a signal comes just before a condition takes its lock again."""

    usual = Queue.get

    def get(queue: Queue[object], *arguments: Any, **named: Any) -> object:
        if threading.current_thread() is not threading.main_thread():
            return usual(queue, *arguments, **named)
        monkeypatch.undo()
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("release unlocked lock")

    results = in_order([lambda _: iter(range(3))] * 2, ["one", "two"], nothing)
    assert next(results) == 0
    monkeypatch.setattr(Queue, "get", get)
    with pytest.raises(KeyboardInterrupt):
        next(results)


def test_a_thread_that_nobody_knows_of_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that is called on a connection that another thread closes takes the whole process with it.

    A pool does not know of a thread yet when a signal comes that waits for its start.
    """
    start, begun, done = threading.Thread.start, threading.Event(), threading.Event()

    def stopped_start(thread: threading.Thread) -> None:
        start(thread)
        assert begun.wait(5)
        raise KeyboardInterrupt

    def piece(_: str) -> Iterator[int]:
        begun.set()
        time.sleep(0.3)
        done.set()
        yield 1

    monkeypatch.setattr(threading.Thread, "start", stopped_start)
    with pytest.raises(KeyboardInterrupt):
        list(in_order([piece] * 3, ["one", "two"], nothing))
    assert done.is_set()
