"""Running a prefilter: the prefilter that fits a scan goes through it range by range, before any relation does."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from sqlalchemy.exc import DBAPIError

from holystone.flavours.savepoint import savepoint
from holystone.flavours.structure import Objects
from holystone.scan.key_ranges import EXECUTIONS_PER_RANGE, KeyRange, key_ranges_of_instances, key_ranges_of_store
from holystone.scan.parallel import Task, in_order
from holystone.scan.prefilters.prefilter import CheckGroups, Prefilter, PrefilterResult
from holystone.scan.prefilters.workers import ForkedWorker, LocalWorker, Worker, forked_workers
from holystone.scan.reader import Reader
from holystone.scan.relation import INSTANCES_PER_STATEMENT
from holystone.scan.relation_scan import Progress
from holystone.scan.relations.objects import StoreObjects
from holystone.store.open_store import OpenStore

_WORTH_FORKING = 20_000
"""Executions, or instances where only some are filtered, from which on other processes work too."""


class PrefilterRun:
    """A prefilter for a store or for some of its instances, and the processes that wait to help."""

    def __init__(self, prefilter: Prefilter, others: Sequence[ForkedWorker], only: Sequence[str] | None) -> None:
        self._prefilter = prefilter
        self._others = others
        self._only = only

    @property
    def runs_concurrently(self) -> bool:
        """Whether only some instances are filtered, in this process: then other rows are scanned at the same time."""
        return self._only is not None and not self._others

    def partition(self, groups: CheckGroups) -> tuple[CheckGroups, CheckGroups]:
        """Return the checks that the prefilter proves, and the others: each relation with such checks."""
        proven, others = (
            [
                (relation, some)
                for relation, checks in groups
                if (some := [c for c in checks if self._prefilter.proves(c) is yes])
            ]
            for yes in (True, False)
        )
        return proven, others

    def result(
        self, reader: Reader, pattern: str | None, report: Progress | None = None, beside: Sequence[StoreObjects] = ()
    ) -> PrefilterResult | None:
        """Return what came of the instances that match a pattern; how far it is, is reported in executions.

        Where other processes work too, one of them all begins with the looks `beside`, and what comes of these is left
        in the reader. None where the store cannot be read, which the relations will come upon and say, or where so many
        instances are in doubt that all may be looked at as well.
        """
        try:
            with savepoint(reader.connection):
                if self._only is None:
                    jobs = 1 + len(self._others)
                    per_range = self._prefilter.executions_per_range(reader, jobs, least=EXECUTIONS_PER_RANGE)
                    key_ranges = list(key_ranges_of_store(reader, per_range, pattern))
                else:
                    per_range = INSTANCES_PER_STATEMENT
                    key_ranges = list(key_ranges_of_instances(self._only))
        except DBAPIError:
            return None
        snapshot = reader.flavour.export_snapshot(reader.connection) if self._others else None
        for other in self._others:
            other.begin(snapshot)
        result = PrefilterResult()
        workers: list[Worker] = [LocalWorker(self._prefilter, reader)]
        if len(key_ranges) * per_range >= _WORTH_FORKING:
            workers += self._others
        looks = [partial(_look_ahead, reader, relation) for relation in beside if len(workers) > 1]
        for number, part in enumerate(_results(workers, key_ranges, looks)):
            if part is None:
                return None
            result.add(part)
            if result.doubts_too_many:
                return None
            if report is not None:
                report("histories", number * per_range, len(key_ranges) * per_range)
        return result


@contextmanager
def prefilter_run(
    store: OpenStore, groups: CheckGroups, prefilters: Sequence[Prefilter], jobs: int, only: Sequence[str] | None
) -> Iterator[PrefilterRun | None]:
    """Yield a run of the first prefilter that fits these groups, with so many jobs in all; None where none does.

    To be called before any connection is open: then processes can be forked. `only` are the instances to filter, None
    for all; few are done sooner than another process begins.
    """
    prefilter = next((prefilter for prefilter in prefilters if prefilter.fits(store, groups)), None)
    are_many = store.flavour.may_hold(_WORTH_FORKING) and (only is None or len(only) >= _WORTH_FORKING)
    number = jobs - 1 if are_many else 0
    with ExitStack() as stack:
        if prefilter is None:
            yield None
        else:
            yield PrefilterRun(prefilter, stack.enter_context(forked_workers(number, prefilter, store)), only)


Part = PrefilterResult | None
"""What came of a range, None where it could not be read."""


def _results(
    workers: Sequence[Worker], key_ranges: Sequence[KeyRange], beside: Sequence[Task[Worker, Part]]
) -> Iterator[Part]:
    """Yield what came of each range, in order."""
    tasks = (partial(_result, key_range) for key_range in key_ranges)
    return in_order(tasks, workers, lambda worker: worker.interrupt(), beside)


def _result(key_range: KeyRange, worker: Worker) -> Iterator[Part]:
    yield worker.run(partial(_filtered, key_range))


def _filtered(key_range: KeyRange, prefilter: Prefilter, reader: Reader) -> PrefilterResult:
    return prefilter.run(reader, key_range.conditions(reader.flavour))


def _look_ahead(reader: Reader, relation: StoreObjects, worker: Worker) -> Iterator[Part]:
    """Keep in the reader what came of a look, unless it failed or was interrupted: then it is left to its turn."""
    if (seen := worker.run(partial(_seen, relation))) is not None:
        reader.ahead[relation.name], took = seen
        reader.took.update(took)
    yield from ()


def _seen(relation: StoreObjects, prefilter: Prefilter, reader: Reader) -> tuple[Objects, dict[str, float]]:
    return relation.objects(reader), reader.took
