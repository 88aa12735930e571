"""Time ``check --since last`` against a whole check: ``python -m bench.since [--store PATH | --postgresql URL]``.

A copy of the file, or the schema itself, is upgraded and checked once. Then in turn, as often as asked for: as many new
instances as some hundredths of those that are there run to their end, in one turn of twelve events each; a check since
the last one is timed, and a whole one. Every run so leaves new instances in a schema.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import store
from bench.check import HOLYSTONE, Run, cached_store, measure, warm
from bench.turns_holystone import LOCK_MS, event
from holystone.store import Store, WorkItem


@dataclass(frozen=True)
class Place:
    """A store: a file, or a schema of a database."""

    target: str
    schema: str | None = None

    def arguments(self) -> list[str]:
        """Return how a command line names the store."""
        return [self.target, *(() if self.schema is None else ("--schema", self.schema))]

    def instances(self) -> int:
        """Return the number of instances that are there."""
        with closing(Store.open(self.target, self.schema, read_only=True)) as opened:
            return opened.get_system_metrics().total_instances

    def work(self, names: Sequence[str]) -> None:
        """Have new instances run to their end."""
        with closing(Store.open(self.target, self.schema)) as opened:
            for name in names:
                _run(opened, name)

    def timed(self, *arguments: str) -> Run:
        """Return how a check of the store went; SystemExit where it found something or did not run."""
        if self.schema is None:
            warm(Path(self.target))
        run, said = measure([*HOLYSTONE, "check", *self.arguments(), *arguments])
        if run.code:
            raise SystemExit(f"check {' '.join(arguments)}: exit {run.code}: {said}")
        return run


def _run(opened: Store, name: str) -> None:
    start = {"instance": name, "orchestration": "Report", "input": "1", "version": None, "execution_id": 1}
    parent = {"parent_instance": None, "parent_id": None}
    opened.enqueue_for_orchestrator(WorkItem.new("StartOrchestration", **start, **parent))
    item = opened.fetch_orchestration_item(LOCK_MS)
    assert item is not None
    events = [
        event(item, 1, "OrchestrationStarted", name="Report", version="1.0.0", input="1", **parent),
        *(event(item, number, "CustomStatusUpdated", status=f"{number}0 %") for number in range(2, 12)),
        event(item, 12, "OrchestrationCompleted", output='"done"'),
    ]
    opened.ack_orchestration_item(item.lock_token, item.execution_id, history_delta=events)


@contextmanager
def chosen(given: argparse.Namespace) -> Iterator[Place]:
    """Yield the store that a command line asks for: a schema itself, or a copy of a file for as long as this lasts."""
    if given.postgresql is not None:
        yield Place(given.postgresql, given.schema)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "store.db"
        shutil.copyfile(given.store or cached_store(given.executions, 0), copy)
        yield Place(str(copy))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.since", description=__doc__)
    parser.add_argument("--executions", type=int, default=store.DEFAULT_EXECUTIONS, metavar="N")
    parser.add_argument("--store", type=Path, metavar="PATH", help="an existing SQLite store, of which a copy is used")
    parser.add_argument("--postgresql", metavar="URL", help="a database with an existing store instead, used itself")
    parser.add_argument("--schema", default="bench", metavar="NAME", help="its schema (default: %(default)s)")
    parser.add_argument("--level", default="standard", metavar="LEVEL")
    parser.add_argument("--percent", type=float, default=1, metavar="P", help="new work (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="timed runs (default: %(default)s)")
    given = parser.parse_args()
    with chosen(given) as place:
        upgrade = [*HOLYSTONE, "migrate", "upgrade", *place.arguments()]
        subprocess.run(upgrade, check=True, stdout=subprocess.DEVNULL)
        level = ("--level", given.level)
        place.timed("--since", "last", *level)
        instances = round(place.instances() * given.percent / 100)
        since, whole = [], []
        for _ in range(given.runs):
            place.work([f"new-{uuid.uuid4()}" for _ in range(instances)])
            since.append(place.timed("--since", "last", *level))
            whole.append(place.timed(*level))
    print(f"{instances} new instances a run, level {given.level}, medians of {given.runs} runs")
    for what, of in (("wall", "seconds"), ("processor", "processor")):
        quick, slow = (statistics.median(getattr(run, of) for run in runs) for runs in (since, whole))
        print(f"{what} time")
        print(f"  check               {slow:8.3f} s  (baseline)")
        print(f"  check --since last  {quick:8.3f} s  {quick / slow:6.3f}x")


if __name__ == "__main__":
    main()
