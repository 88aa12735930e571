"""Each flavour of the engine reads messages in its own way, and Q002 tells of those that it cannot read in that way."""

from __future__ import annotations

import json

import pytest

from cases.e009_version_mismatch import begun_by, pinned
from cases.payloads import subscribed
from catalogue.conftest import Prepare
from catalogue.sources import EVERY_CHECK
from conftest import FLAVOURS, Flavour
from engine.test_decoding_messages import message
from holystone.demo.scribe import Scribe, completed, started
from holystone.duroxide.tables import orchestrator_queue
from holystone.scan.scan import Scan

REMOVED = {"kind": "UnregisteredActivity", "resource": "r", "message": None}
TEXTS: dict[str, tuple[str, set[str]]] = {
    "nul": (json.dumps({"CancelInstance": {"instance": "nul", "reason": "\0"}}), {"postgresql"}),
    "twice": ('{"CancelInstance":{"instance":"twice","reason":"r","reason":"r"}}', {"sqlite"}),
    "number-of-jsonb": (
        '{"TimerFired":{"instance":"number-of-jsonb","execution_id":1e0,"id":7,"fire_at_ms":7}}',
        {"sqlite"},
    ),
    "odd-details": (
        json.dumps(message("ActivityFailed", instance="odd-details", details={"Application": {"kind": "Panicked"}})),
        {"sqlite", "postgresql"},
    ),
    "beyond-64-bits": (
        '{"TimerFired":{"instance":"beyond-64-bits","execution_id":1,"id":18446744073709551616,"fire_at_ms":7}}',
        {"sqlite", "postgresql"},
    ),
    "cut-off": ('{"CancelInstance":{"instance":"cut-off","reason":"r", ', {"sqlite", "postgresql"}),
    "removed": (
        json.dumps(message("ActivityFailed", instance="removed", details={"Configuration": REMOVED})),
        {"sqlite", "postgresql"},
    ),
    "unknown-failure": (
        json.dumps(message("ActivityFailed", instance="unknown-failure", details={"Quota": {"left": 0}})),
        {"sqlite", "postgresql"},
    ),
    "unknown-kind": ('{"Moved":{"instance":"unknown-kind"}}', {"sqlite", "postgresql"}),
}
"""Instance -> a message for it, and the flavours whose engine cannot read that."""


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_they_are_reported_where_the_engine_cannot_read_them(flavour: Flavour, prepare: Prepare) -> None:
    def write(scribe: Scribe) -> None:
        for name, (text, _) in TEXTS.items():
            scribe.execution(name, started())
            row = scribe.message(name, {"CancelInstance": {"instance": name, "reason": "r"}})
            scribe.change(orchestrator_queue, {"id": row}, work_item=text)

    found = [finding for finding in Scan(prepare(flavour, write).store, EVERY_CHECK) if finding.check.id == "Q002"]
    assert {finding.instance_id for finding in found} == {name for name, (_, of) in TEXTS.items() if flavour in of}
    said = {finding.instance_id: finding.observed["work_item"] for finding in found}
    assert said["removed"] == "newer engines do not know 'UnregisteredActivity' any more"
    assert said["unknown-failure"] == "no engine up to 0.1.32 knows 'Quota'"
    assert said["unknown-kind"] == "no engine up to 0.1.32 knows 'Moved'"


UNKNOWN = {name: text for name, (text, _) in TEXTS.items() if name.startswith("unknown")}


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("version", [(0, 1, 33), (0, 2, 0), (1, 0, 0)])
@pytest.mark.parametrize("by_event", [True, False])
def test_what_a_newer_engine_may_know_is_passed_over(
    flavour: Flavour, version: tuple[int, int, int], by_event: bool, prepare: Prepare
) -> None:
    def write(scribe: Scribe) -> None:
        for name, text in UNKNOWN.items():
            scribe.execution(name, started(), subscribed())
            row = scribe.message(name, {"CancelInstance": {"instance": name, "reason": "r"}})
            scribe.change(orchestrator_queue, {"id": row}, work_item=text)
        scribe.execution("elsewhere", started(), completed())
        pinned(scribe, "elsewhere", version)
        if by_event:
            begun_by(scribe, "elsewhere", ".".join(map(str, version)))

    found = {finding.instance_id for finding in Scan(prepare(flavour, write).store, EVERY_CHECK)}
    assert found == (set() if by_event else set(UNKNOWN))


def test_a_version_in_bytes_is_no_newer_one(prepare: Prepare) -> None:
    """SQLite has bytes behind all numbers, and the event names the very version that the bytes are the digits of."""

    def write(scribe: Scribe) -> None:
        scribe.execution("unknown", started(), subscribed())
        row = scribe.message("unknown", {"CancelInstance": {"instance": "unknown", "reason": "r"}})
        scribe.change(orchestrator_queue, {"id": row}, work_item='{"Moved":{"instance":"unknown"}}')
        scribe.execution("elsewhere", started(), subscribed())
        pinned(scribe, "elsewhere", (b"0", 1, 32))

    found = {(finding.check.id, finding.instance_id) for finding in Scan(prepare("sqlite", write).store, EVERY_CHECK)}
    assert found == {("Q002", "unknown"), ("E009", "elsewhere")}
