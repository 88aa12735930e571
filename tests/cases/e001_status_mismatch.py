import json
from typing import Any

from cases.case import Case, CompletedAt, Found, Row, event_time, execution
from cases.payloads import cancelled_event
from holystone.demo.scribe import (
    ENGINE_VERSION,
    Payload,
    Scribe,
    cancelled,
    completed,
    continued,
    failed,
    scheduled,
    started,
)
from holystone.duroxide.tables import executions, history

# What a user's own data can look like: nothing of it may pass for an event.
LOOKS_LIKE_AN_EVENT = '{"type":"OrchestrationCompleted","output":"no"}'


def healthy(scribe: Scribe) -> None:
    scribe.execution("done", started(input=LOOKS_LIKE_AN_EVENT), completed(LOOKS_LIKE_AN_EVENT))
    scribe.execution("failed", started(), failed(LOOKS_LIKE_AN_EVENT))
    scribe.execution("cancelled", started(), cancelled(LOOKS_LIKE_AN_EVENT))
    scribe.execution("live", started(input=LOOKS_LIKE_AN_EVENT), scheduled(input=LOOKS_LIKE_AN_EVENT))
    scribe.execution("loop", started(), continued(LOOKS_LIKE_AN_EVENT))
    scribe.execution("loop", started(), scheduled(), execution_id=2)
    # When something ends an execution from outside, what it still had outstanding is cancelled after the end.
    scribe.execution("outstanding", started(), scheduled(), cancelled(), given_up("orchestration_terminal_failed"))
    # A limit that is broken in the last turn: the engine adds a failure to the end that it had written.
    scribe.execution("over-limit", started(), completed(), failed("custom status exceeds limit (262144)"))
    scribe.execution("reprinted", started(), completed())
    scribe.change(history, last_of("reprinted"), event_data=reprinted("reprinted"))
    undecided(scribe)


def undecided(scribe: Scribe) -> None:
    """Histories that cannot be read to the end, of which nothing may be said."""
    completed_at = scribe.flavour.completed_at(event_time(1, 1))
    # Older engines failed an execution with an unreadable history without writing an event.
    scribe.execution("old-poison", started(), scheduled())
    scribe.change(history, last_of("old-poison"), event_data="not JSON")
    scribe.change(executions, execution("old-poison"), status="Failed", output="poison", completed_at=completed_at)
    # The unreadable event may have been the end: whole, cut off, or of a kind that only a newer engine knows.
    for name, event_data in {
        "end-lost": "",
        "end-cut-off": reprinted("end-cut-off")[:-5],
        "end-unknown": '{"type":"OrchestrationTransferred"}',
        "end-no-object": '["type","OrchestrationCompleted"]',
    }.items():
        for status in ("Completed", "Running"):
            instance_id = f"{name}-{status}"
            scribe.execution(instance_id, started(), completed())
            scribe.change(history, last_of(instance_id), event_data=event_data)
            if status == "Running":
                scribe.change(executions, execution(instance_id), status=status, output=None, completed_at=None)


def given_up(reason: str) -> Payload:
    """The second event, an activity, is given up."""
    return cancelled_event("ActivityCancelRequested", 2, reason)


def last_of(instance_id: str) -> dict[str, Any]:
    """The key of the second event, the last one of most histories here."""
    return {"instance_id": instance_id, "event_id": 2}


def reprinted(instance_id: str) -> str:
    """A terminal event in another order and with spaces, as a database's own JSON type prints it."""
    event = {
        "type": "OrchestrationCompleted",
        "output": '"done"',
        "event_id": 2,
        "instance_id": instance_id,
        "execution_id": 1,
        "timestamp_ms": event_time(1, 2),
        "source_event_id": None,
        "duroxide_version": ENGINE_VERSION,
    }
    return json.dumps(event, indent=1)


def broken(scribe: Scribe) -> None:
    unset = {"output": None, "completed_at": None}
    scribe.execution("stale", started(), completed('"kept"'))
    scribe.change(executions, execution("stale"), status="Running", **unset)
    scribe.execution("stale-failed", started(), failed("no money"))
    scribe.change(executions, execution("stale-failed"), status="Running", **unset)
    scribe.execution("wrong", started(), failed("no money"))
    scribe.change(executions, execution("wrong"), status="Completed")
    scribe.execution("loop", started(), continued("2"))
    scribe.execution("loop", started(input=LOOKS_LIKE_AN_EVENT), scheduled(), execution_id=2)
    scribe.change(executions, execution("loop", 2), status="ContinuedAsNew")
    scribe.execution("half-set", started(), scheduled())
    scribe.change(
        executions, execution("half-set"), status="Failed", output="x", completed_at=scribe.flavour.completed_at(1)
    )
    # The last event is none, yet an earlier one ended the execution: the engine's status API says Completed.
    last = given_up("orchestration_terminal_completed")
    scribe.execution("late-event", started(), scheduled(), completed('"early"'), last)
    scribe.change(executions, execution("late-event"), status="Running", **unset)
    scribe.execution("reprinted", started(), completed())
    scribe.change(history, last_of("reprinted"), event_data=reprinted("reprinted"))
    scribe.change(executions, execution("reprinted"), status="Failed")


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id="half-set",
            execution_id=1,
            observed={"status": "Failed"},
            expected={"status": "Running"},
            cause="premature-terminal",
        ),
        Found(
            instance_id="late-event",
            execution_id=1,
            observed={"status": "Running"},
            expected={"status": "Completed"},
            cause="stale-running",
        ),
        Found(
            instance_id="loop",
            execution_id=2,
            observed={"status": "ContinuedAsNew"},
            expected={"status": "Running"},
            cause="premature-terminal",
        ),
        Found(
            instance_id="reprinted",
            execution_id=1,
            observed={"status": "Failed"},
            expected={"status": "Completed"},
            cause="wrong-terminal",
        ),
        Found(
            instance_id="stale",
            execution_id=1,
            observed={"status": "Running"},
            expected={"status": "Completed"},
            cause="stale-running",
        ),
        Found(
            instance_id="stale-failed",
            execution_id=1,
            observed={"status": "Running"},
            expected={"status": "Failed"},
            cause="stale-running",
        ),
        Found(
            instance_id="wrong",
            execution_id=1,
            observed={"status": "Completed"},
            expected={"status": "Failed"},
            cause="wrong-terminal",
        ),
    ],
    repaired=[
        Row(
            table="executions",
            key=execution("stale"),
            columns={"status": "Completed", "output": '"kept"', "completed_at": CompletedAt(event_time(1, 2))},
        ),
        Row(
            table="executions",
            key=execution("wrong"),
            # The engine had set the time at ack, a moment after the event, and it stays.
            columns={"status": "Failed", "output": "no money", "completed_at": CompletedAt(event_time(3, 2) + 3)},
        ),
        Row(
            table="executions",
            key=execution("loop", 2),
            columns={"status": "Running", "output": None, "completed_at": None},
        ),
        Row(
            table="executions",
            key=execution("half-set"),
            columns={"status": "Running", "output": None, "completed_at": None},
        ),
        Row(
            table="executions",
            key=execution("late-event"),
            columns={"status": "Completed", "output": '"early"', "completed_at": CompletedAt(event_time(7, 3))},
        ),
    ],
    # That nothing is said of a history which cannot be read to its end takes events that are torn or a newer engine's.
    also=frozenset({"H005", "H009"}),
)
