import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func

from cases.case import Case, Found, Row, execution
from holystone.demo.scribe import (
    Payload,
    Scribe,
    cancelled,
    completed,
    continued,
    failed,
    failed_with,
    scheduled,
    started,
)
from holystone.duroxide.tables import executions, history

# Every form that the engine gives to a failure, and how it words it in executions.output.
FAILURES: dict[str, tuple[Mapping[str, Any], str]] = {
    "infrastructure": (
        {"Infrastructure": {"operation": "ack", "message": "disk full", "retryable": False}},
        "infrastructure:ack: disk full",
    ),
    "nondeterministic": (
        {"Configuration": {"kind": "Nondeterminism", "resource": "Order", "message": "step 2"}},
        "nondeterministic: step 2",
    ),
    "nondeterministic-bare": (
        {"Configuration": {"kind": "Nondeterminism", "resource": "Order", "message": None}},
        "nondeterministic in Order",
    ),
    "panicked": (
        {"Application": {"kind": "Panicked", "message": "index", "retryable": False}},
        "orchestration panicked: index",
    ),
    "activity-failed": ({"Application": {"kind": "ActivityFailed", "message": "503", "retryable": True}}, "503"),
    "poison": (
        {
            "Poison": {
                "attempt_count": 11,
                "max_attempts": 10,
                "message_type": {"Orchestration": {"instance": "poison", "execution_id": 1}},
                "message": "[]",
            }
        },
        "poison: orchestration poison exceeded 11 attempts (max 10)",
    ),
    "poison-activity": (
        {
            "Poison": {
                "attempt_count": 11,
                "max_attempts": 10,
                "message_type": {
                    "Activity": {"instance": "p", "execution_id": 1, "activity_name": "Charge", "activity_id": 2}
                },
                "message": "{}",
            }
        },
        "poison: activity Charge#2 exceeded 11 attempts (max 10)",
    ),
    "poison-history": (
        {
            "Poison": {
                "attempt_count": 11,
                "max_attempts": 10,
                "message_type": {
                    "FailedDeserialization": {"instance": "p", "execution_id": 1, "error": "unknown variant"}
                },
                "message": "unknown variant",
            }
        },
        "poison: orchestration p history deserialization failed after 11 attempts (max 10): unknown variant",
    ),
}

BESIDE: dict[str, Payload] = {
    "beside-completed": completed("kept"),
    "beside-continued": continued("kept"),
    "beside-failed": failed("kept"),
}

AWKWARD = 'tab\t quote" back\\slash \u0001 é 😀 \u2028 /path </script> \x7f'


def _add_field(scribe: Scribe, instance_id: str, value: str) -> None:
    """Add a field to the last event of an execution, which no version of the engine knows."""
    data = history.c.event_data
    longer = func.substr(data, 1, func.length(data) - 1).concat(f',"unknown":{value}}}')
    scribe.change(history, {**execution(instance_id), "event_id": 2}, event_data=longer)


def healthy(scribe: Scribe) -> None:
    scribe.execution("awkward", started(), completed(AWKWARD))
    scribe.execution("awkward-failure", started(), failed(AWKWARD))
    scribe.execution("cancelled", started(), cancelled(AWKWARD))
    scribe.execution("empty", started(), completed(""))
    scribe.execution("loop", started(), continued(AWKWARD))
    scribe.execution("loop", started(), scheduled(), execution_id=2)
    for name, (details, output) in FAILURES.items():
        scribe.execution(name, started(), failed_with(details))
        scribe.change(executions, execution(name), output=output)
    # A newer engine may fail in ways that are not known here: what it wrote is left alone.
    scribe.execution("newer", started(), failed_with({"Quota": {"limit": 3}}))
    scribe.change(executions, execution("newer"), output="quota of 3 exceeded")


def broken(scribe: Scribe) -> None:
    scribe.execution("lost", started(), completed('"kept"'))
    scribe.change(executions, execution("lost"), output=None)
    scribe.execution("cut", started(), cancelled("by request"))
    scribe.change(executions, execution("cut"), output="canceled: by")
    scribe.execution("early", started(), scheduled())
    scribe.change(executions, execution("early"), output='"not yet"')
    scribe.execution("loop", started(), continued("2"))
    scribe.change(executions, execution("loop"), output="1")
    scribe.execution("loop", started(), scheduled(), execution_id=2)

    # A field that the engine passes over holds what the row says, in each form that SQL compares.
    for name, (kind, fields) in BESIDE.items():
        scribe.execution(name, started(), (kind, fields))
        if kind == "OrchestrationContinuedAsNew":
            scribe.execution(name, started(), scheduled(), execution_id=2)
        _add_field(scribe, name, json.dumps(fields, separators=(",", ":")).replace("kept", "forged"))
        scribe.change(executions, execution(name), output="forged")


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        *(
            Found(instance_id=name, execution_id=1, observed={"output": "forged"}, expected={"output": "kept"})
            for name in BESIDE
        ),
        Found(
            instance_id="cut",
            execution_id=1,
            observed={"output": "canceled: by"},
            expected={"output": "canceled: by request"},
        ),
        Found(instance_id="early", execution_id=1, observed={"output": '"not yet"'}, expected={"output": None}),
        Found(instance_id="loop", execution_id=1, observed={"output": "1"}, expected={"output": "2"}),
        Found(instance_id="lost", execution_id=1, observed={"output": None}, expected={"output": '"kept"'}),
    ],
    repaired=[
        *(Row(table="executions", key=execution(name), columns={"output": "kept"}) for name in BESIDE),
        Row(table="executions", key=execution("lost"), columns={"output": '"kept"', "status": "Completed"}),
        Row(table="executions", key=execution("cut"), columns={"output": "canceled: by request"}),
        Row(table="executions", key=execution("early"), columns={"output": None, "status": "Running"}),
        Row(table="executions", key=execution("loop"), columns={"output": "2"}),
    ],
    also=frozenset({"H009"}),  # a kind of failure that only a newer engine knows
)
