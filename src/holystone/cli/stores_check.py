"""The check of several stores, in processes side by side: one report of all of them, in the order of their names."""

import multiprocessing
import signal
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TextIO

from holystone.cli.store_check import Checked, Request, check_store, could_not_check
from holystone.errors import HolystoneError, NoTablesError, OutOfTimeError
from holystone.render import merger_class
from holystone.render.report_writer import Part, ReportMerger
from holystone.store.stores import Candidate, none_in

_AHEAD = 4
"""Stores for each process that are waiting for it: enough that none is ever idle, and few of a folder without end."""


@dataclass(frozen=True)
class PlaceEnd:
    """What follows the candidates of a place; `error` is what kept some from being found."""

    place: str
    error: HolystoneError | None = None


def check_stores(
    places: Mapping[str, Iterator[Candidate]],
    request: Request,
    outs: Sequence[TextIO],
    tell: Callable[[Checked], None],
) -> list[Checked]:
    """Check the stores of some places, write the merged report in each format, and return what came of each.

    `places` are what may be a store, by the name of the place, which has no password. What is none is passed over where
    nobody has named it; a place without any store is told of, and refused by a HolystoneError where it is the only one.
    Whatever keeps a store from being checked stops none of the others. `tell` is called for each in its turn.
    """
    formats = zip(request.formats, outs, request.layouts, strict=True)
    mergers = [merger_class(format)(out, layout) for format, out, layout in formats]
    results: list[Checked] = []
    with tempfile.TemporaryDirectory(prefix="holystone-") as folder:
        work = partial(_check, replace(request, jobs=1), Path(folder))
        of_place = 0
        for number, (item, checked) in enumerate(_in_order(work, _candidates(places), request.jobs)):
            if isinstance(item, PlaceEnd):
                error = none_in(item.place) if item.error is None and of_place == 0 else item.error
                if error is not None and len(places) == 1:
                    raise error
                checked = None if error is None else could_not_check(item.place, None, error)
                of_place = 0
            if checked is None:
                continue
            of_place += not isinstance(item, PlaceEnd)
            results.append(checked)
            for index, merger in enumerate(mergers):
                _add(merger, checked, _part(Path(folder), number, index))
            tell(checked)
    for merger in mergers:
        merger.end()
    return results


def _candidates(places: Mapping[str, Iterator[Candidate]]) -> Iterator[Candidate | PlaceEnd]:
    for place, candidates in places.items():
        try:
            yield from candidates
        except HolystoneError as error:
            yield PlaceEnd(place, error)
        else:
            yield PlaceEnd(place)


def _add(merger: ReportMerger, checked: Checked, file: Path) -> None:
    if not file.exists():
        merger.add(Part(checked.summary, None))
        return
    with file.open(encoding="utf-8", errors="backslashreplace", newline="") as text:
        merger.add(Part(checked.summary, text))
    file.unlink()


def _check(request: Request, folder: Path, number: int, candidate: Candidate) -> Checked | None:
    """Check a store, its reports going to files; None where there is none, and nobody has said that there is."""
    files = [_part(folder, number, index) for index in range(len(request.formats))]
    try:
        if request.run_time is not None and request.run_time.is_over:
            raise OutOfTimeError(request.run_time.seconds, "its turn came")
        with ExitStack() as stack:
            outs = [stack.enter_context(file.open("w", encoding="utf-8", newline="")) for file in files]
            return check_store(candidate.target, request, outs)
    except Exception as error:
        for file in files:
            file.unlink(missing_ok=True)  # half a report is none
        if isinstance(error, NoTablesError) and not candidate.named:
            return None
        return could_not_check(str(candidate.target), candidate.target.schema, error)


def _part(folder: Path, number: int, index: int) -> Path:
    return folder / f"{number}-{index}"


def _in_order(
    work: Callable[[int, Candidate], Checked | None], items: Iterator[Candidate | PlaceEnd], jobs: int
) -> Iterator[tuple[Candidate | PlaceEnd, Checked | None]]:
    """Yield each item with what comes of it where it is a candidate, with so many of them in work at a time."""
    if jobs == 1:
        for number, item in enumerate(items):
            yield item, work(number, item) if isinstance(item, Candidate) else None
        return
    executor = ProcessPoolExecutor(jobs, initializer=_leave_signals_to_parent)
    waiting: deque[tuple[Candidate | PlaceEnd, Future[Checked | None] | None]] = deque()

    def first() -> tuple[Candidate | PlaceEnd, Checked | None]:
        item, future = waiting.popleft()
        return item, None if future is None else future.result()

    try:
        for number, item in enumerate(items):
            waiting.append((item, executor.submit(work, number, item) if isinstance(item, Candidate) else None))
            if len(waiting) >= jobs * _AHEAD:
                yield first()
        while waiting:
            yield first()
        executor.shutdown()
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise


def _leave_signals_to_parent() -> None:
    """Have Ctrl-C stop the parent alone, which ends this process, and does so without a word of Python's."""
    for name in ("SIGINT", "SIGHUP"):
        with suppress(AttributeError):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
