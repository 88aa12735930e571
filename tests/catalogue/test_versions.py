"""What an event's own version of the engine makes legal is legal, for ever and beside what newer versions write."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import func

from cases.case import Write
from cases.payloads import begun, poisoned, subscribed
from catalogue.conftest import Prepare
from catalogue.sources import EVERY_CHECK
from conftest import FLAVOURS, Flavour
from holystone.demo.scribe import (
    Payload,
    Scribe,
    activity_completed,
    completed,
    continued,
    failed,
    failed_with,
    scheduled,
    started,
)
from holystone.duroxide.tables import executions, history, instances, worker_queue
from holystone.scan.check import Severity
from holystone.scan.result import Outcome
from holystone.scan.scan import Scan

LOCKED = {"Infrastructure": {"operation": "ack_orchestration_item", "message": "locked", "retryable": True}}


def written_by(scribe: Scribe, version: str, of: str, *event_ids: int, execution_id: int = 1) -> None:
    """Have events say that this version wrote them; all of an execution where none are named."""
    said = func.replace(history.c.event_data, '"duroxide_version":"0.1.32"', f'"duroxide_version":"{version}"')
    for event_id in event_ids or range(1, 20):
        key = {"instance_id": of, "execution_id": execution_id, "event_id": event_id}
        scribe.change(history, key, event_data=said)


def naming(scribe: Scribe, of: str, execution_id: int, event_id: int, instance: str, number: int) -> None:
    """Have an event name another instance and execution than its row."""
    own, other = (f'"instance_id":"{name}","execution_id":{n}' for name, n in ((of, execution_id), (instance, number)))
    key = {"instance_id": of, "execution_id": execution_id, "event_id": event_id}
    scribe.change(history, key, event_data=func.replace(history.c.event_data, own, other))


def failure_without_ids(scribe: Scribe, of: str, version: str) -> None:
    scribe.execution(of, started(), failed())
    written_by(scribe, version, of)
    naming(scribe, of, 1, 2, "", 0)


def mixed_failure_without_ids(scribe: Scribe, of: str, version: str) -> None:
    scribe.execution(of, started(), scheduled(), activity_completed(), failed())
    written_by(scribe, version, of, 4)
    naming(scribe, of, 1, 4, "", 0)


def turn_not_stored(scribe: Scribe, of: str, version: str) -> None:
    """The first turn after a continue-as-new: the failure goes on from the execution before, in number and in name."""
    scribe.execution(of, started(), continued())
    scribe.execution(of, failed_with(LOCKED), execution_id=2)
    first = {"instance_id": of, "execution_id": 2, "event_id": 1}
    renumbered = func.replace(history.c.event_data, '"event_id":1', '"event_id":3')
    scribe.change(history, first, event_id=3, event_data=renumbered)
    written_by(scribe, version, of)
    written_by(scribe, version, of, execution_id=2)
    naming(scribe, of, 2, 3, *((of, 1) if version >= "0.1.30" else ("", 0)))


def poisoned_between_executions(scribe: Scribe, of: str, version: str) -> None:
    """Before 0.1.31 such a poison ended the execution before once more."""
    scribe.execution(of, started(), continued(), poisoned(of, 1))
    written_by(scribe, version, of)
    if version < "0.1.30":
        naming(scribe, of, 1, 3, "", 0)


def status_without_event(scribe: Scribe, of: str, version: str) -> None:
    scribe.execution(of, started(), subscribed())
    scribe.change(instances, {"instance_id": of}, custom_status="half way", custom_status_version=2)
    written_by(scribe, version, of)


def status_without_event_then_newer(scribe: Scribe, of: str, version: str) -> None:
    scribe.execution(of, started(), scheduled(), activity_completed(), completed())
    scribe.change(instances, {"instance_id": of}, custom_status="half way", custom_status_version=2)
    written_by(scribe, version, of, 1, 2)


def status_without_event_carried(scribe: Scribe, of: str, version: str) -> None:
    """The execution in which it was set ended; a newer engine goes on, and names no status in the start."""
    scribe.execution(of, started(), continued())
    scribe.execution(of, started(), completed(), execution_id=2)
    scribe.change(instances, {"instance_id": of}, custom_status="half way", custom_status_version=2)
    written_by(scribe, version, of)


def child_without_parent_execution(scribe: Scribe, of: str, version: str) -> None:
    asked: Payload = ("SubOrchestrationScheduled", {"name": "Order", "instance": "sub::2", "input": "{}"})
    scribe.execution(of, started(), asked)
    scribe.execution(f"{of}::sub::2", begun(parent_instance=of, parent_id=2), subscribed())
    for one in (of, f"{of}::sub::2"):
        written_by(scribe, version, one)


def activity_without_identity(scribe: Scribe, of: str, version: str) -> None:
    scribe.execution(of, started(), scheduled())
    scribe.change(worker_queue, {"instance_id": of}, instance_id=None, execution_id=None, activity_id=None)
    written_by(scribe, version, of)


def no_pinned_version(scribe: Scribe, of: str, version: str) -> None:
    scribe.execution(of, started(), subscribed())
    unknown = dict.fromkeys(f"duroxide_version_{part}" for part in ("major", "minor", "patch"))
    scribe.change(executions, {"instance_id": of}, **unknown)
    written_by(scribe, version, of)


def start_with_fewer_fields(scribe: Scribe, of: str, version: str) -> None:
    """A start without the fields that later versions added."""
    scribe.execution(of, started(), completed())
    for left_out in (',"carry_forward_events":null', ',"parent_execution_id":null'):
        scribe.change(history, {"instance_id": of}, event_data=func.replace(history.c.event_data, left_out, ""))
    written_by(scribe, version, of)


LEGAL: dict[tuple[str, str], Callable[[Scribe, str, str], None]] = {
    **{("H006", version): failure_without_ids for version in ("0.1.1", "0.1.8", "0.1.19", "0.1.24", "0.1.29")},
    ("H006 after an upgrade back", "0.1.29"): mixed_failure_without_ids,
    **{("H001 H002 H006 I003", version): turn_not_stored for version in ("0.1.24", "0.1.29", "0.1.30", "0.1.32")},
    **{
        ("E001 H003 H004 H006 I006", version): poisoned_between_executions for version in ("0.1.24", "0.1.29", "0.1.30")
    },
    ("I008", "0.1.19"): status_without_event,
    ("I008 after an upgrade", "0.1.19"): status_without_event_then_newer,
    ("I008 in a chain", "0.1.19"): status_without_event_carried,
    ("I005", "0.1.29"): child_without_parent_execution,
    ("Q004", "0.1.7"): activity_without_identity,
    ("E001", "0.1.16"): no_pinned_version,
    ("H005", "0.1.18"): start_with_fewer_fields,
}
"""The checks that apply a rule of one version, and the version whose rows they must put up with -> those rows."""


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_no_check_applies_a_rule_of_another_version(flavour: Flavour, prepare: Prepare) -> None:
    names = {f"{write.__name__}-{version}": (write, version) for (_, version), write in LEGAL.items()}

    def write_all(scribe: Scribe) -> None:
        for name, (write, version) in names.items():
            write(scribe, name, version)

    assert found_in(prepare, flavour, write_all) == set()


OUTLAWED = {"H006": failure_without_ids, "I008": status_without_event}
"""A check -> rows that it must not put up with where the newest version wrote them."""


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_what_one_version_may_another_may_not(flavour: Flavour, prepare: Prepare) -> None:
    def write_all(scribe: Scribe) -> None:
        for check, write in OUTLAWED.items():
            write(scribe, check, "0.1.32")

    assert found_in(prepare, flavour, write_all) == {(check, check) for check in OUTLAWED}


def found_in(prepare: Prepare, flavour: Flavour, write: Write) -> set[tuple[str, str | None]]:
    """Check and instance of each finding that is more than a remark; every check has to be able to run."""
    scan = Scan(prepare(flavour, write).store, EVERY_CHECK)
    found = {(one.check.id, one.instance_id) for one in scan if one.check.severity > Severity.info}
    assert [result for result in scan.results.values() if result.outcome is Outcome.failed] == []
    return found
