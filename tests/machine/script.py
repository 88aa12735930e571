"""What an orchestration's code does in one turn, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from holystone.clock import now_ms
from turns.shared.turn import Turn, answers

WISHES = (
    "activity",
    "activity",
    "child",
    "child",
    "clear all keys",
    "clear key",
    "detached",
    "message",
    "key",
    "reset status",
    "status",
    "timer",
)
ENDS = ("go on", "go on", "go on", "go on", "complete", "continue as new", "continue in another version", "fail")
DELAYS_MS = (1, 1_000, 60_000)
INSTANCES = ("a", "b", "c")

Wish = tuple[str, int]
"""What is wished for, and which of three."""


@dataclass(frozen=True)
class Script:
    """What is to be done in a turn, and how it ends; an instance that is to be cancelled does not get that far."""

    wishes: list[Wish]
    end: str


scripts = st.builds(
    Script,
    st.lists(st.tuples(st.sampled_from(WISHES), st.integers(0, 2)), min_size=1, max_size=4),
    st.sampled_from(ENDS),
)


def play(turn: Turn, script: Script) -> None:
    """Do in a turn what the script says."""
    if turn.over:
        return
    for kind, which in script.wishes:
        _grant(turn, kind, which)
    if turn.cancel_reason is not None:
        turn.cancel(turn.cancel_reason)
    elif script.end == "complete":
        turn.complete('"done"')
    elif script.end == "continue as new":
        turn.continue_as_new('"again"')
    elif script.end == "continue in another version":
        turn.continue_as_new('"again"', f"{turn.execution_id + 1}.0.0")
    elif script.end == "fail":
        turn.fail({"Application": {"kind": "OrchestrationFailed", "message": "not today", "retryable": False}})
    else:
        _wait_for_go(turn)
        turn.go_on()


def _grant(turn: Turn, kind: str, which: int) -> None:
    key, value = f"key {which}", f"in execution {turn.execution_id}"
    match kind:
        case "activity":
            turn.schedule_activity("Charge", str(which))
        case "child":
            turn.start_child("Child", "null")
        case "clear all keys":
            turn.add("KeyValuesCleared")
        case "clear key":
            turn.add("KeyValueCleared", key=key)
        case "detached":
            turn.start_detached("Order", "null", INSTANCES[which])
        case "message":
            turn.add("ExternalSubscribedPersistent", name="letters")
        case "key":
            turn.add("KeyValueSet", key=key, value=value, last_updated_at_ms=now_ms())
        case "reset status":
            turn.add("CustomStatusUpdated", status=None)
        case "status":
            turn.add("CustomStatusUpdated", status=f"step {which}")
        case "timer":
            turn.create_timer(DELAYS_MS[which])


def _wait_for_go(turn: Turn) -> None:
    """An instance that waits for nothing would be stuck."""
    waiting = [event.event_id for event in turn.events if event.type == "ExternalSubscribed"]
    if waiting[-1:] == [] or waiting[-1] in answers(turn.events, "ExternalSubscribed", "ExternalEvent"):
        turn.add("ExternalSubscribed", name="go")
