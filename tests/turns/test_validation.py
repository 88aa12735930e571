"""Every reason for which an ack is refused, without a store: each one thing away from a turn that is taken."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from holystone.duroxide import metadata as derivation
from holystone.duroxide.metadata import ExecutionMetadata
from holystone.errors import ExecutionEndedError, InvalidTurnError, TurnError, UnknownInstanceError
from holystone.store import Event, WorkItem
from holystone.store.turns import delta, outgoing, queues, taken, validation
from holystone.store.turns.turn import Ack, History, Turn
from holystone.store.turns.validation import needs_history, validate

FAR_MS = 4_000_000_000_000
LATEST_MS = 9_000_000_000_000_000
"""The last moment of the database."""
FAILURE = {"Application": {"kind": "OrchestrationFailed", "message": "boom", "retryable": False}}

NEW = Turn("a", 1, None, None, None, None, None, False, None, None, None)
"""The first turn of an instance that there is not yet."""
RUNNING = Turn("a", 1, "Order", "1.0.0", 1, 0, "Running", False, None, 4, None)
"""A turn of a running execution of four events."""
NEXT = replace(RUNNING, execution_id=2, status=None, newest_id=None, goes_on=True)
"""The turn that begins the next execution."""


def event(number: int, type: str, execution_id: int = 1, instance_id: str = "a", **payload: Any) -> Event:
    return Event.new(
        type,
        event_id=number,
        instance_id=instance_id,
        execution_id=execution_id,
        timestamp_ms=1,
        duroxide_version="0.1.32",
        **payload,
    )


def started(execution_id: int = 1, number: int = 1, **changes: Any) -> Event:
    payload: dict[str, Any] = {
        **{"name": "Order", "version": "1.0.0", "input": "{}", "parent_instance": None, "parent_id": None},
        **changes,
    }
    return event(number, "OrchestrationStarted", execution_id, **payload)


def scheduled(number: int = 5) -> Event:
    return event(number, "ActivityScheduled", name="Charge", input="{}")


def waits(number: int = 5, execution_id: int = 1, instance_id: str = "a") -> Event:
    return event(number, "ExternalSubscribed", execution_id, instance_id, name="go")


def completed(number: int = 5, output: str = "1") -> Event:
    return event(number, "OrchestrationCompleted", output=output)


def answered(number: int = 5, source: int | None = 2) -> Event:
    return event(number, "ActivityCompleted", source_event_id=source, result="1")


def given_up(number: int = 5, source: int = 2) -> Event:
    return event(number, "ActivityCancelRequested", source_event_id=source, reason="dropped_future")


def run(number: int = 5) -> WorkItem:
    return WorkItem.new("ActivityExecute", instance="a", execution_id=1, id=number, name="Charge", input="{}")


def fire(at_ms: int = FAR_MS) -> WorkItem:
    return WorkItem.new("TimerFired", instance="a", execution_id=1, id=5, fire_at_ms=at_ms)


def told(**said: Any) -> WorkItem:
    kind = "SubOrchFailed" if "details" in said else "SubOrchCompleted"
    return WorkItem.new(kind, parent_instance="p", parent_execution_id=1, parent_id=3, **said)


def over_limit(number: int = 6) -> Event:
    """Return the end that the engine gives a turn that breaks a limit."""
    said = "KV key count (151) exceeds limit (150)"
    failure = {"Application": {"kind": "OrchestrationFailed", "message": said, "retryable": False}}
    return event(number, "OrchestrationFailed", details=failure)


RAISED = WorkItem.new("ExternalRaised", instance="a", name="go", data="1")
ANSWER = WorkItem.new("ActivityCompleted", instance="a", execution_id=1, id=2, result="1")
AGAIN = WorkItem.new("ContinueAsNew", instance="a", orchestration="Order", input="{}", version=None)
CANCEL = WorkItem.new("CancelInstance", instance="a::sub::3", reason="why")
EARLIER = {2: scheduled(2), 3: event(3, "SubOrchestrationScheduled", name="Part", instance="sub::3", input="{}")}
GOING = History((), [started(), scheduled(2)])
"""The history of an execution that goes on, and has asked for activity 2."""


@dataclass(frozen=True)
class Case:
    """An ack, and what is said of it where it is refused."""

    said: str
    ack: Ack = field(default_factory=Ack)
    turn: Turn = RUNNING
    messages: list[WorkItem] = field(default_factory=lambda: [RAISED])
    earlier: dict[int, Event | None] = field(default_factory=lambda: dict(EARLIER))
    history: History | None = GOING
    error: type[TurnError] = InvalidTurnError

    def validate(self) -> ExecutionMetadata:
        return validate(self.turn, self.ack, self.messages, self.earlier, self.history, LATEST_MS)


OF = "The turn of 'a', execution 1,"
REFUSED = [
    # What its metadata and its events say of each other
    Case(
        "Event 5 of 'a', execution 1, ends it without saying how.",
        Ack([event(5, "OrchestrationFailed", details={"Novel": {}})]),
    ),
    Case(
        f"{OF} claims the status Failed with output None, and its events say Completed with output '1'.",
        Ack([completed()], metadata=ExecutionMetadata("Failed")),
    ),
    Case(
        f"{OF} claims the orchestration_name 'Refund', and its events say 'Order'.",
        Ack([started()], metadata=ExecutionMetadata(orchestration_name="Refund")),
        NEW,
    ),
    # Whether there is an instance
    Case(
        "There is no instance 'a', and the turn of its execution 1 does not start one.",
        Ack([waits(1)]),
        NEW,
        error=UnknownInstanceError,
    ),
    # The events by themselves
    Case(f"{OF} has an event with the id 0; ids begin at 1 and end before 2^63.", Ack([waits(0)])),
    Case(f"{OF} has two events with the id 5.", Ack([waits(5), waits(5)])),
    Case(f"{OF} has event 5 of 'b', execution 1.", Ack([waits(instance_id="b")])),
    Case(f"{OF} has event 7 right after event 5; events are numbered through.", Ack([waits(5), waits(7)])),
    Case(f"{OF} has 2 terminal events; an execution ends once.", Ack([completed(5), completed(6)])),
    Case(
        f"{OF} has 2 terminal events; an execution ends once.",
        Ack([completed(5), event(6, "OrchestrationFailed", details=FAILURE)]),
    ),
    Case(f"{OF} has 2 terminal events; an execution ends once.", Ack([completed(5), waits(6), over_limit(7)])),
    Case(f"{OF} has 3 terminal events; an execution ends once.", Ack([completed(5), over_limit(6), over_limit(7)])),
    Case(
        f"{OF} has event 6, a ExternalSubscribed, after event 5, which ends it.",
        Ack([completed(5), waits(6)]),
    ),
    # Where they are to stand
    Case(
        "Execution 3 of 'a', whose current execution is 1, cannot have a turn.", turn=replace(RUNNING, execution_id=3)
    ),
    Case(
        "Execution 2 of 'a', which has yet to begin, cannot have a turn.",
        Ack([started(2)]),
        replace(NEW, execution_id=2),
    ),
    Case(
        "Execution 2 of 'a' cannot begin: execution 1 has not ended with OrchestrationContinuedAsNew.",
        Ack([started(2)]),
        replace(NEXT, goes_on=False),
        [AGAIN],
    ),
    Case("Execution 2 of 'a' cannot begin without an event.", turn=NEXT, messages=[AGAIN]),
    Case(
        "Execution 1 of 'a' has ended with event 4; nothing can be appended to it.",
        Ack([waits()]),
        replace(RUNNING, end_id=4),
        error=ExecutionEndedError,
    ),
    Case(
        "Execution 1 of 'a' has no event yet; event 5 cannot be its first.",
        Ack([waits()]),
        replace(RUNNING, newest_id=None),
    ),
    Case(
        "Execution 1 of 'a' goes as far as the event with the id 4 already; event 6 cannot be appended to it.",
        Ack([waits(6)]),
    ),
    Case(
        f"{OF} has event 5, of the type OrchestrationStarted; event 1 of an execution, and no other, is "
        "OrchestrationStarted.",
        Ack([started(number=5)]),
    ),
    # What it would change of the instance
    Case(
        f"{OF} pins the engine (0, 1, 31), and no event of it starts an execution with that.",
        Ack([started()], metadata=ExecutionMetadata(pinned_version=(0, 1, 31))),
        NEW,
    ),
    Case(
        f"{OF} claims the orchestration_version '2.0.0', which is '1.0.0', and starts no execution.",
        Ack(metadata=ExecutionMetadata(orchestration_version="2.0.0")),
    ),
    # What it sends
    Case(f"{OF} has event 5, ActivityScheduled, and no ActivityExecute that goes with it.", Ack([scheduled()])),
    Case(f"{OF} sends ExternalRaised to 'a', which no turn does.", Ack(orchestrator_items=[RAISED])),
    Case(f"{OF} has ActivityExecute for 'a', event 5, and no event that asks for it.", Ack(worker_items=[run()])),
    Case(
        f"{OF} has ActivityExecute for 'a', event 5, and no event that may still ask for it: the execution ends.",
        Ack([scheduled(), completed(6)], [run()]),
    ),
    # What its events rest on
    Case(
        f"{OF} has event 5, ExternalSubscribed, with event 2 as its source, and such an event has none.",
        Ack([event(5, "ExternalSubscribed", source_event_id=2, name="go")]),
    ),
    Case(
        f"{OF} has event 5, ActivityCompleted, and its source is 3, which is no ActivityScheduled before it.",
        Ack([answered(source=3)]),
    ),
    Case(
        f"{OF} has event 5, ActivityCompleted of event 2, and takes no message that says so.",
        Ack([answered()]),
    ),
    # Whom it tells
    Case(
        f"{OF} ends with event 5, and does not tell its parent 'p' the same.",
        Ack([completed()]),
        earlier={1: started(parent_instance="p", parent_id=3)},
    ),
    Case(
        f"{OF} answers SubOrchCompleted to event 3 of 'p', and is no end of the child that this started.",
        Ack(orchestrator_items=[told(result="1")]),
        earlier={1: started()},
    ),
    Case(
        f"{OF} cancels 'a::sub::3', which is no child that it has started.",
        Ack(orchestrator_items=[CANCEL]),
        earlier={2: scheduled(2)},
    ),
    Case(
        f"{OF} has event 5, SubOrchestrationCancelRequested, and no CancelInstance for 'a::sub::3'.",
        Ack([event(5, "SubOrchestrationCancelRequested", source_event_id=3, reason="dropped_future")]),
    ),
    # What it takes out of the queues
    Case(f"{OF} gives up activity 2, and leaves it in the queue.", Ack([given_up()])),
    Case(
        f"{OF} takes activity 2 of 'a', execution 1, out of the queue, and no event gives it up.",
        Ack(cancelled_activities=[("a", 1, 2)]),
    ),
    Case(
        "The turn of 'a', execution 2, begins an execution, and takes no ContinueAsNew message for it.",
        Ack([started(2)]),
        NEXT,
    ),
    Case(f"{OF} takes the ContinueAsNew message and begins no execution with it.", messages=[AGAIN]),
    Case(f"{OF} takes the ActivityCompleted for event 2, and has no event that says so.", messages=[ANSWER]),
    # What the queues take
    Case(
        "A ContinueAsNew for 'a' is nothing for the worker queue, which takes ActivityExecute.",
        Ack(worker_items=[AGAIN]),
    ),
    Case("A ActivityExecute for 'a' is nothing for the orchestrator queue.", Ack(orchestrator_items=[run()])),
    Case(
        "A TimerFired for 'a' is due after the last moment of the database.",
        Ack([event(5, "TimerCreated", fire_at_ms=LATEST_MS + 1)], orchestrator_items=[fire(LATEST_MS + 1)]),
    ),
]

TAKEN = [
    Case("", Ack([started()]), NEW),
    Case("", Ack([scheduled()], [run()])),
    Case("", Ack([event(5, "TimerCreated", fire_at_ms=FAR_MS)], orchestrator_items=[fire()])),
    Case("", Ack([answered(), completed(6)]), messages=[ANSWER]),
    Case("", Ack([given_up()], cancelled_activities=[("a", 1, 2)])),
    Case("", Ack([started(2)]), NEXT, [AGAIN]),
    Case("", messages=[AGAIN], history=History(["OrchestrationCompleted"], GOING.events)),
    Case("", messages=[ANSWER], history=History((), [started()])),  # of which nobody asked
    Case("", messages=[ANSWER], history=History((), [*(GOING.events or ()), answered(3)])),  # it has come before
    Case("", messages=[ANSWER], history=History((), None)),  # the engine could not read it either
    Case("", Ack([event(99_999, "OrchestrationFailed", details=FAILURE)]), earlier={}),
    Case("", Ack([answered()]), messages=[ANSWER], earlier={2: None}),
    Case("", Ack([event(5, "TimerCreated", fire_at_ms=LATEST_MS)], orchestrator_items=[fire(LATEST_MS)])),
    # A limit is broken: whatever the turn asked for is dropped with all messages.
    Case("", Ack([completed(5), over_limit()])),
    Case("", Ack([event(5, "OrchestrationContinuedAsNew", input="{}"), over_limit()])),
    Case("", Ack([scheduled(5), over_limit(), given_up(7, 5)], cancelled_activities=[("a", 1, 5)])),
    Case("", Ack([completed(5), over_limit()]), earlier={1: started(parent_instance="p", parent_id=3)}),
    Case("", Ack([event(5, "SubOrchestrationCancelRequested", source_event_id=3, reason="why"), over_limit()])),
]
"""Turns that are taken."""


@pytest.mark.parametrize("case", REFUSED, ids=[case.said for case in REFUSED])
def test_a_wrong_turn_is_refused(case: Case) -> None:
    with pytest.raises(case.error) as raised:
        case.validate()
    assert str(raised.value) == case.said
    assert raised.value.next_step


@pytest.mark.parametrize("case", TAKEN, ids=range(len(TAKEN)))
def test_a_turn_of_the_engine_is_taken(case: Case) -> None:
    assert isinstance(case.validate(), ExecutionMetadata)


@pytest.mark.parametrize("case", [*REFUSED, *TAKEN], ids=range(len(REFUSED) + len(TAKEN)))
def test_the_history_is_read_where_it_decides(case: Case) -> None:
    """Without it the answer is the same wherever `needs_history` says so."""
    if needs_history(case.turn, case.messages, case.ack.delta):
        assert case.history is not None
        return
    without = replace(case, history=None)
    if case.said:
        with pytest.raises(case.error) as raised:
            without.validate()
        assert str(raised.value) == case.said
    else:
        assert without.validate() == case.validate()


def test_what_is_written_is_what_the_events_say() -> None:
    written = Case("", Ack([started(), completed(2)]), NEW).validate()
    assert written == ExecutionMetadata("Completed", "1", "Order", "1.0.0", None, (0, 1, 32))
    given = ExecutionMetadata(orchestration_name="Order", parent_instance_id="p")
    written = Case("", Ack([started()], metadata=given), NEW).validate()
    assert (written.parent_instance_id, written.orchestration_version) == ("p", "1.0.0")


def test_a_caller_may_pin_an_execution_to_no_version() -> None:
    assert Case("", Ack([started()], metadata=ExecutionMetadata()), NEW).validate().pinned_version is None


def test_the_last_end_counts() -> None:
    written = Case("", Ack([completed(5), over_limit()])).validate()
    assert (written.status, written.output) == ("Failed", "KV key count (151) exceeds limit (150)")


def test_every_refusal_has_its_case() -> None:
    met = set()
    for case in REFUSED:
        with pytest.raises(case.error) as raised:
            case.validate()
        frame = raised.traceback[-1]
        met.add((Path(frame.path).name, frame.lineno + 1))
    lacks = [
        f"{Path(module.__file__ or '').name}:{node.lineno}"
        for module in (derivation, validation, delta, outgoing, taken, queues)
        for node in raises_of(module)
        if not any((Path(module.__file__ or "").name, line) in met for line in range(node.lineno, end_of(node) + 1))
    ]
    assert not lacks, f"no case meets {', '.join(lacks)}"


def raises_of(module: ModuleType) -> list[ast.Raise]:
    tree = ast.parse(Path(module.__file__ or "").read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.Raise)]


def end_of(node: ast.Raise) -> int:
    return node.end_lineno or node.lineno
