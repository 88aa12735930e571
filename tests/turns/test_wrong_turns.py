"""Turns that the engine's dispatcher could not have taken, or that would leave the store amiss, are refused.

Each is one thing away from a turn that is taken: a message without its event, an event without its message, an answer
to who did not ask, a child that ends without a word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from conftest import EngineStore
from contents import contents
from holystone.duroxide.metadata import ExecutionMetadata
from holystone.errors import InvalidTurnError
from holystone.store import Event, WorkItem
from holystone.store.turns.turn import Activity
from turns.kit import Kit, News

FAR_MS = 4_000_000_000_000
CHILD = "a::sub::3"
FAILURE = {"Application": {"kind": "OrchestrationFailed", "message": "boom", "retryable": False}}
ACTIVITY: News = ("ActivityScheduled", {"name": "Charge", "input": "{}"})
TIMER: News = ("TimerCreated", {"fire_at_ms": FAR_MS})
PART: News = ("SubOrchestrationScheduled", {"name": "Part", "instance": "sub::5", "input": "{}"})
ALONE: News = ("OrchestrationChained", {"name": "Order", "instance": "alone", "input": "{}"})
END: News = ("OrchestrationCompleted", {"output": "1"})
FAILED: News = ("OrchestrationFailed", {"details": FAILURE})
RUN = WorkItem.new("ActivityExecute", instance="a", execution_id=1, id=5, name="Charge", input="{}")
FIRE = WorkItem.new("TimerFired", instance="a", execution_id=1, id=5, fire_at_ms=FAR_MS)


def starting(instance: str, name: str = "Part", parent: str | None = "a", number: int | None = 5) -> WorkItem:
    """Return the message that starts an instance, a child where `parent` is given."""
    of: dict[str, Any] = {"parent_instance": parent, "parent_id": number if parent else None}
    return WorkItem.new(
        "StartOrchestration", instance=instance, orchestration=name, input="{}", version=None, execution_id=1, **of
    )


def told(parent: str = "a", number: int = 3, **said: Any) -> WorkItem:
    """Return what a child tells its parent."""
    kind = "SubOrchFailed" if "details" in said else "SubOrchCompleted"
    return WorkItem.new(kind, parent_instance=parent, parent_execution_id=1, parent_id=number, **said)


def cancel(instance: str) -> WorkItem:
    return WorkItem.new("CancelInstance", instance=instance, reason="why")


def sourced(type: str, source: int | None, **payload: Any) -> News:
    return type, {"source_event_id": source, **payload}


def given_up(source: int) -> News:
    return sourced("ActivityCancelRequested", source, reason="dropped_future")


CHILD_GIVEN_UP: News = sourced("SubOrchestrationCancelRequested", 3, reason="dropped_future")
FORGOTTEN: News = sourced("SubOrchestrationCancelRequested", 5, reason="dropped_future")


@dataclass(frozen=True)
class Acked:
    """A turn, and what is said of it where it is refused."""

    said: str
    news: list[News] = field(default_factory=list)
    sends: list[WorkItem] = field(default_factory=list)
    runs: list[WorkItem] = field(default_factory=list)
    gives_up: list[Activity] = field(default_factory=list)
    metadata: ExecutionMetadata | None = None
    of: str = "a"


WRONG: dict[str, Acked] = {
    "activity without message": Acked("event 5, ActivityScheduled, and no ActivityExecute", [ACTIVITY]),
    "activity other than its event": Acked(
        "event 5, ActivityScheduled, and no ActivityExecute",
        [ACTIVITY],
        runs=[WorkItem.new("ActivityExecute", instance="a", execution_id=1, id=5, name="Refund", input="{}")],
    ),
    "activity of the session of another": Acked(
        "event 5, ActivityScheduled, and no ActivityExecute",
        [("ActivityScheduled", {"name": "Charge", "input": "{}", "session_id": "s"})],
        runs=[RUN],
    ),
    "activity twice": Acked("has ActivityExecute for 'a', event 5, and no event", [ACTIVITY], runs=[RUN, RUN]),
    "activity as the execution ends": Acked("and no event that may still ask for it", [ACTIVITY, END], runs=[RUN]),
    "timer without message": Acked("event 5, TimerCreated, and no TimerFired", [TIMER]),
    "timer that fires at another time": Acked(
        "event 5, TimerCreated, and no TimerFired",
        [TIMER],
        [WorkItem.new("TimerFired", instance="a", execution_id=1, id=5, fire_at_ms=FAR_MS + 1)],
    ),
    "message of a timer without event": Acked("has TimerFired for 'a', event 5, and no event", [], [FIRE]),
    "timer of another instance": Acked(
        "event 5, TimerCreated, and no TimerFired",
        [TIMER],
        [WorkItem.new("TimerFired", instance="b", execution_id=1, id=5, fire_at_ms=FAR_MS)],
    ),
    "timer as the execution ends": Acked("and no event that may still ask for it", [TIMER, END], [FIRE]),
    "child without message": Acked("event 5, SubOrchestrationScheduled, and no StartOrchestration", [PART]),
    "child of another name": Acked(
        "event 5, SubOrchestrationScheduled, and no StartOrchestration", [PART], [starting("a::sub::5", "Other")]
    ),
    "child under another id": Acked(
        "event 5, SubOrchestrationScheduled, and no StartOrchestration", [PART], [starting("sub::5")]
    ),
    "child that answers to another event": Acked(
        "event 5, SubOrchestrationScheduled, and no StartOrchestration", [PART], [starting("a::sub::5", number=4)]
    ),
    "message that starts a child without event": Acked(
        "has StartOrchestration for 'a::sub::5', event 5, and no event", [], [starting("a::sub::5")]
    ),
    "child as the execution ends": Acked(
        "and no event that may still ask for it", [PART, END], [starting("a::sub::5")]
    ),
    "detached without message": Acked("event 5, OrchestrationChained, and no StartOrchestration", [ALONE]),
    "message that starts another without event": Acked(
        "has StartOrchestration for 'alone', and no event", [], [starting("alone", "Order", None)]
    ),
    "answer of an activity": Acked(
        "sends ActivityCompleted to 'a', which no turn does",
        [],
        [WorkItem.new("ActivityCompleted", instance="a", execution_id=1, id=2, result="1")],
    ),
    "event that is raised": Acked(
        "sends ExternalRaised to 'nobody', which no turn does",
        [],
        [WorkItem.new("ExternalRaised", instance="nobody", name="go", data="1")],
    ),
    "letter": Acked(
        "sends QueueMessage to 'a', which no turn does",
        [],
        [WorkItem.new("QueueMessage", instance="a", name="letters", data="1")],
    ),
    "cancel of a stranger": Acked("cancels 'nobody', which is no child that it has started", [], [cancel("nobody")]),
    "child given up and not cancelled": Acked(
        "event 5, SubOrchestrationCancelRequested, and no CancelInstance for 'a::sub::3'", [CHILD_GIVEN_UP]
    ),
    "answer to nobody's question": Acked(
        "answers SubOrchCompleted to event 2 of 'b', and is no end of the child", [END], [told("b", 2, result="1")]
    ),
    "answer while it goes on": Acked(
        "answers SubOrchCompleted to event 3 of 'a', and is no end of the child", [], [told(result="1")], of=CHILD
    ),
    "child that ends without a word": Acked(
        "ends with event 2, and does not tell its parent 'a' the same", [END], of=CHILD
    ),
    "child that fails without a word": Acked(
        "ends with event 2, and does not tell its parent 'a' the same", [FAILED], of=CHILD
    ),
    "child that completes and says that it failed": Acked(
        "ends with event 2, and does not tell its parent 'a' the same", [END], [told(details=FAILURE)], of=CHILD
    ),
    "child that tells another result": Acked(
        "ends with event 2, and does not tell its parent 'a' the same", [END], [told(result="2")], of=CHILD
    ),
    "child that answers to another event of its parent": Acked(
        "ends with event 2, and does not tell its parent 'a' the same", [END], [told(number=2, result="1")], of=CHILD
    ),
    "child that tells twice": Acked(
        "answers SubOrchCompleted to event 3 of 'a', and is no end of the child",
        [END],
        [told(result="1"), told(result="1")],
        of=CHILD,
    ),
    "completion without a message": Acked(
        "event 5, ActivityCompleted of event 2, and takes no message",
        [sourced("ActivityCompleted", 2, result="1")],
    ),
    "timer fired without a message": Acked(
        "event 5, TimerFired of event 4, and takes no message", [sourced("TimerFired", 4, fire_at_ms=FAR_MS)]
    ),
    "completion of nothing": Acked(
        "event 5, ActivityCompleted, and its source is None, which is no ActivityScheduled",
        [sourced("ActivityCompleted", None, result="1")],
    ),
    "completion of what is not there": Acked(
        "event 5, ActivityCompleted, and its source is 9, which is no ActivityScheduled",
        [sourced("ActivityCompleted", 9, result="1")],
    ),
    "completion of another kind": Acked(
        "event 5, ActivityCompleted, and its source is 4, which is no ActivityScheduled",
        [sourced("ActivityCompleted", 4, result="1")],
    ),
    "completion of what comes after it": Acked(
        "event 5, ActivityCancelRequested, and its source is 6, which is no ActivityScheduled",
        [given_up(6), ACTIVITY],
        runs=[WorkItem.new("ActivityExecute", instance="a", execution_id=1, id=6, name="Charge", input="{}")],
        gives_up=[("a", 1, 6)],
    ),
    "source where there is none": Acked(
        "event 5, ExternalSubscribed, with event 2 as its source", [sourced("ExternalSubscribed", 2, name="go")]
    ),
    "activity taken out of the queue without a word": Acked(
        "takes activity 2 of 'a', execution 1, out of the queue, and no event gives it up", gives_up=[("a", 1, 2)]
    ),
    "activity of another taken out of the queue": Acked(
        "takes activity 2 of 'b', execution 1, out of the queue", [given_up(2)], gives_up=[("a", 1, 2), ("b", 1, 2)]
    ),
    "name without a start": Acked(
        "claims the orchestration_name 'Refund', which is 'Order', and starts no execution",
        metadata=ExecutionMetadata(orchestration_name="Refund", orchestration_version="1.0.0"),
    ),
    "version without a start": Acked(
        "claims the orchestration_version '2.0.0', which is '1.0.0', and starts no execution",
        metadata=ExecutionMetadata(orchestration_name="Order", orchestration_version="2.0.0"),
    ),
    "engine without a start": Acked(
        r"pins the engine \(0, 1, 32\), and no event", metadata=ExecutionMetadata(pinned_version=(0, 1, 32))
    ),
}

RIGHT: list[Acked] = [
    Acked("", [ACTIVITY], runs=[RUN]),
    Acked("", [ACTIVITY, given_up(5)], runs=[RUN], gives_up=[("a", 1, 5)]),
    Acked("", [TIMER], [FIRE]),
    Acked("", [PART], [starting("a::sub::5")]),
    Acked("", [ALONE], [starting("alone", "Order", None)]),
    Acked("", [CHILD_GIVEN_UP], [cancel(CHILD)]),
    Acked("", [given_up(2)], gives_up=[("a", 1, 2)]),
    Acked("", [ACTIVITY, TIMER, PART, ALONE, END], [starting("alone", "Order", None)]),
    Acked("", [ALONE, FAILED]),
    Acked("", [FAILED], [cancel(CHILD)]),
    Acked("", [PART, FORGOTTEN, END], [cancel("a::sub::5")]),
    Acked("", [PART, FAILED], [cancel(CHILD), cancel("a::sub::5")]),
    Acked("", [PART, FORGOTTEN], [starting("a::sub::5"), cancel("a::sub::5")]),
    Acked("", [END, given_up(2)], gives_up=[("a", 1, 2)]),
    Acked("", [END], [told(result="1")], of=CHILD),
    Acked("", [FAILED], [told(details=FAILURE)], of=CHILD),
    Acked("", metadata=ExecutionMetadata(orchestration_name="Order", orchestration_version="1.0.0")),
]
"""Turns of the same kinds that the engine takes."""


class Scene:
    """`a` has asked for activity 2, child 3 and timer 4; the child has begun. A turn of each of them is taken."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        kit.begin(
            "a",
            kit.event("a", 2, "ActivityScheduled", name="Charge", input="{}"),
            kit.event("a", 3, "SubOrchestrationScheduled", name="Part", instance="sub::3", input="{}"),
            kit.event("a", 4, "TimerCreated", fire_at_ms=FAR_MS),
            activities=[kit.activity("a", 2)],
            messages=[
                starting(CHILD, number=3),
                WorkItem.new("TimerFired", instance="a", execution_id=1, id=4, fire_at_ms=FAR_MS),
            ],
        )
        token = kit.fetch().lock_token
        begun = kit.started(CHILD, name="Part", parent_instance="a", parent_id=3)
        kit.store.ack_orchestration_item(token, 1, history_delta=[begun])
        for instance in ("a", CHILD):
            kit.poke(instance)
        self._turns = {item.instance_id: item for item in (kit.fetch(), kit.fetch())}

    def ack(self, turn: Acked) -> None:
        item = self._turns[turn.of]
        first = item.history[-1].event_id + 1
        delta = [self._event(turn.of, number, *news) for number, news in enumerate(turn.news, first)]
        self.kit.store.ack_orchestration_item(
            item.lock_token,
            1,
            history_delta=delta,
            worker_items=turn.runs,
            orchestrator_items=turn.sends,
            metadata=turn.metadata,
            cancelled_activities=turn.gives_up,
        )

    def _event(self, instance: str, number: int, type: str, payload: Any) -> Event:
        return self.kit.event(instance, number, type, **payload)

    def clear(self) -> None:
        there = {*self.kit.store.list_instances()}
        self.kit.store.delete_instances_atomic(sorted(there), force=True)


def test_wrong_turns_are_refused_and_nothing_is_written(kit: Kit, made: EngineStore) -> None:
    scene = Scene(kit)
    before = contents(made)
    for what, turn in WRONG.items():
        try:
            with pytest.raises(InvalidTurnError, match=turn.said) as raised:
                scene.ack(turn)
        except Exception as wrong:
            wrong.add_note(what)
            raise
        assert repr(turn.of) in str(raised.value), what
        assert raised.value.next_step, what
    assert contents(made) == before
    scene.clear()


@pytest.mark.parametrize("turn", RIGHT, ids=range(len(RIGHT)))
def test_turns_of_the_engine_are_taken(kit: Kit, turn: Acked) -> None:
    """And leave nothing for the catalogue to find."""
    Scene(kit).ack(turn)


def test_a_child_that_is_never_started_is_not_cancelled(kit: Kit, made: EngineStore) -> None:
    """Where its id is that of a stranger, the stranger would be; the child that was started before is."""
    stranger: News = ("SubOrchestrationScheduled", {"name": "Part", "instance": "stranger", "input": "{}"})
    kit.begin("stranger")
    Scene(kit).ack(Acked("", [stranger, FORGOTTEN, FAILED], [cancel("stranger"), cancel(CHILD)]))
    told = made.execute("SELECT instance_id FROM orchestrator_queue WHERE work_item LIKE ?", "%CancelInstance%")
    assert told == [(CHILD,)]


def test_start_of_a_child_whose_id_is_taken_is_answered(kit: Kit) -> None:
    """As the engine does it: who would start the child learns that there is one, and nobody else is told."""
    scheduled: News = ("SubOrchestrationScheduled", {"name": "Order", "instance": "taken", "input": "{}"})
    kit.finish("taken")
    kit.begin("a")
    kit.turn("a", scheduled, messages=[starting("taken", "Order", number=2)])
    token = kit.fetch().lock_token
    with pytest.raises(InvalidTurnError, match="answers SubOrchFailed to event 3 of 'a'"):
        kit.store.ack_orchestration_item(token, 1, orchestrator_items=[told(number=3, details=FAILURE)])
    kit.store.ack_orchestration_item(token, 1, orchestrator_items=[told(number=2, details=FAILURE)])
    assert [message.kind for message in kit.fetch().messages] == ["SubOrchFailed"]
