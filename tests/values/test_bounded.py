"""Work and memory are bounded by what is stored, never by a number in a row."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from cases.payloads import subscribed
from catalogue.conftest import Prepare
from conftest import FLAVOURS
from holystone.demo.scribe import BEGUN_MS, Scribe, started
from holystone.duroxide.event_types import POISON_EVENT_ID
from holystone.duroxide.tables import history, instances
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.result import Verdict
from holystone.scan.scan import Scan

FAR = [50_000_000, 1_700_000_000_000, 2**62, 2**63 - 1]
SECONDS = 60
BYTES = 20_000_000


def scanned(prepare: Prepare, flavour: str, write: object) -> dict[str, list[tuple[object, object]]]:
    """What is found in the rows, in little time and memory."""
    store = prepare(flavour, write).store  # type: ignore[arg-type]
    begun = time.monotonic()
    tracemalloc.start()
    scan = Scan(store, select_checks(Level.deep), level=Level.deep)
    found: dict[str, list[tuple[object, object]]] = {}
    for finding in scan:
        found.setdefault(finding.check.id, []).append((dict(finding.observed), dict(finding.expected)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert scan.verdict is Verdict.drift
    assert time.monotonic() - begun < SECONDS
    assert most < BYTES
    return found


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_events_with_numbers_far_away(prepare: Prepare, flavour: str) -> None:
    def write(scribe: Scribe) -> None:
        for event_id in FAR:
            scribe.execution(f"far-{event_id:020}", started())
            scribe.event(f"far-{event_id:020}", 1, event_id, subscribed(), BEGUN_MS)

    found = scanned(prepare, flavour, write)
    assert found["H001"] == [({"event_ids": f"1, {far}"}, {"event_ids": f"1-{far}"}) for far in FAR]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_end_behind_the_one_that_the_engine_gives(prepare: Prepare, flavour: str) -> None:
    def write(scribe: Scribe) -> None:
        scribe.execution("far", started())
        for event_id in (POISON_EVENT_ID, 2**62):
            scribe.event("far", 1, event_id, subscribed(), BEGUN_MS)

    found = scanned(prepare, flavour, write)
    assert found["H001"][0][1] == {"event_ids": f"1, {POISON_EVENT_ID}-{2**62}"}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_executions_with_numbers_far_away(prepare: Prepare, flavour: str) -> None:
    def write(scribe: Scribe) -> None:
        for execution_id in FAR:
            far = {"instance_id": f"far-{execution_id}"}
            scribe.execution(far["instance_id"], started())
            scribe.change(instances, far, current_execution_id=execution_id, custom_status="x")
            scribe.change(history, far, execution_id=execution_id)

    assert len(scanned(prepare, flavour, write)["H008"]) == len(FAR)
