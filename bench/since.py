"""Time ``check --since last`` after new work against a whole check: ``python -m bench.since [--store PATH]``.

A copy of the store is upgraded and checked once. Then in turn, as often as asked for: as many new instances as some
hundredths of those that are there run to their end, in one turn of twelve events each; a check since the last one is
timed, and a whole one.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bench import store
from bench.check import HOLYSTONE, Run, cached_store, measure, warm
from bench.turns_holystone import LOCK_MS, event
from holystone.store import Store, WorkItem


def work(path: Path, names: Sequence[str]) -> None:
    """Have new instances run to their end."""
    with closing(Store.open(str(path))) as opened:
        for name in names:
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


def timed(path: Path, *arguments: str) -> Run:
    """Return how a check of the store went; SystemExit where it found something or did not run."""
    warm(path)
    run, said = measure([*HOLYSTONE, "check", str(path), *arguments])
    if run.code:
        raise SystemExit(f"check {' '.join(arguments)}: exit {run.code}: {said}")
    return run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.since", description=__doc__)
    parser.add_argument("--executions", type=int, default=store.DEFAULT_EXECUTIONS, metavar="N")
    parser.add_argument("--store", type=Path, metavar="PATH", help="an existing SQLite store, of which a copy is used")
    parser.add_argument("--level", default="standard", metavar="LEVEL")
    parser.add_argument("--percent", type=float, default=1, metavar="P", help="new work (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="timed runs (default: %(default)s)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        shutil.copyfile(given.store or cached_store(given.executions, 0), path)
        subprocess.run([*HOLYSTONE, "migrate", "upgrade", str(path)], check=True, stdout=subprocess.DEVNULL)
        level = ("--level", given.level)
        timed(path, "--since", "last", *level)
        with closing(Store.open(str(path), read_only=True)) as opened:
            instances = round(opened.get_system_metrics().total_instances * given.percent / 100)
        since, whole = [], []
        for run in range(given.runs):
            work(path, [f"new-{run}-{number}" for number in range(instances)])
            since.append(timed(path, "--since", "last", *level))
            whole.append(timed(path, *level))
    print(f"{instances} new instances a run, level {given.level}, medians of {given.runs} runs")
    for what, of in (("wall", "seconds"), ("processor", "processor")):
        quick, slow = (statistics.median(getattr(run, of) for run in runs) for runs in (since, whole))
        print(f"{what} time")
        print(f"  check               {slow:8.3f} s  (baseline)")
        print(f"  check --since last  {quick:8.3f} s  {quick / slow:6.3f}x")


if __name__ == "__main__":
    main()
