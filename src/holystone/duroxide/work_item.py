"""The messages in the queues, as the engine writes them.

Source in microsoft/duroxide: `WorkItem` in src/providers/mod.rs, which serde tags externally, so that a message is
an object with one field, its kind. PostgreSQL prints messages anew: with spaces, and their fields in another order.
Which kinds there are, and with which fields, is in `releases.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from holystone.duroxide.compact_json import require_writable, write
from holystone.duroxide.error_details import ERROR_DETAILS
from holystone.duroxide.fields import NUMBER, Shape, completed, fault, in_words, read_object
from holystone.duroxide.releases import NEWEST_WRITES, REMOVED
from holystone.errors import RecordError

WORK_ITEM_SHAPES: Mapping[str, Shape] = NEWEST_WRITES.work_items
"""Kind of a message -> its fields, for every kind of the newest engine known here; a newer one may write others."""

FOR_WORKERS = ("ActivityExecute",)
"""The kinds of message that go to worker_queue; all others go to orchestrator_queue."""

STARTS = ("StartOrchestration", "ContinueAsNew")
"""The kinds of message that begin an execution, and the first one an instance."""


class Answer(NamedTuple):
    """What a message of a kind answers: the type of the event, and its own fields that name execution and event."""

    asked_by: str
    execution_id: str
    event_id: str


ANSWERS: Mapping[str, Answer] = {
    "ActivityCompleted": Answer("ActivityScheduled", "execution_id", "id"),
    "ActivityFailed": Answer("ActivityScheduled", "execution_id", "id"),
    "TimerFired": Answer("TimerCreated", "execution_id", "id"),
    "SubOrchCompleted": Answer("SubOrchestrationScheduled", "parent_execution_id", "parent_id"),
    "SubOrchFailed": Answer("SubOrchestrationScheduled", "parent_execution_id", "parent_id"),
}
"""Kind of a message that answers an event -> what it answers."""


def answers_to(asked_by: str) -> tuple[str, ...]:
    """Return the kinds of message that answer an event of this type: that all went well first, then that it did not."""
    return tuple(kind for kind, answer in ANSWERS.items() if answer.asked_by == asked_by)


@dataclass(frozen=True)
class WorkItem:
    """One message of a queue: its kind, and the fields of that kind.

    Whatever is made is a message that the engine could read, if it knows the kind; RecordError says why it could
    not. Kinds and fields that are unknown here, of a newer engine, are kept as they are and where they are.
    """

    kind: str
    fields: Mapping[str, Any] = field(hash=False)

    @classmethod
    def new(cls, kind: str, /, **fields: Any) -> Self:
        """Return a message of a known kind as the engine would write it, or one of another kind as it is given.

        `WORK_ITEM_SHAPES` says which fields a kind has, and what may be left out of them.
        """
        shape = WORK_ITEM_SHAPES.get(kind)
        item = cls(kind, fields if shape is None else completed(shape, fields))
        if shape is not None and (unknown := fields.keys() - shape):
            raise item._error(f"{kind} has no {min(unknown)!r}")
        return item

    @classmethod
    def from_json(cls, text: object) -> Self:
        """Return the message that a queue row's work_item holds."""
        if not isinstance(text, str):  # SQLite keeps anything in any column
            raise RecordError("The message is no text.", "it is no text")
        try:
            item = read_object(text)
        except ValueError as error:
            raise RecordError(f"The message {error}.", f"it {error}") from None
        if len(item) != 1:
            wrong = f"should have one field, its kind, and has {len(item)}"
            raise RecordError(f"The message {wrong}.", f"it {wrong}")
        ((kind, fields),) = item.items()
        if not isinstance(fields, dict):
            wrong = f"{kind!r} should be an object, and is {in_words(fields)}"
            raise RecordError(f"The message's {wrong}.", f"its {wrong}")
        return cls(kind, fields)

    def to_json(self) -> str:
        """Return the message as the engine writes it into work_item."""
        return write({self.kind: self.fields})

    @property
    def instance_id(self) -> str | None:
        """The instance that the message is for: of what a child tells, the parent.

        None where a message of an unknown kind does not say it.
        """
        named = self.fields.get("parent_instance" if self.kind.startswith("SubOrch") else "instance")
        return named if isinstance(named, str) else None

    @property
    def unknown(self) -> str | None:
        """The kind, or else the kind of failure, that the newest engine known here cannot read; None where it can."""
        if self.kind not in WORK_ITEM_SHAPES:
            return self.kind
        has_details = "details" in WORK_ITEM_SHAPES[self.kind]
        return ERROR_DETAILS.unknown(self.fields["details"]) if has_details else None

    @property
    def was_removed(self) -> bool:
        """Whether older engines wrote what is unknown: newer ones cannot read it any more."""
        return self.unknown in REMOVED

    @property
    def is_for_worker(self) -> bool:
        """Whether the message goes to the worker queue; all others go to the orchestrator queue."""
        return self.kind in FOR_WORKERS

    def __post_init__(self) -> None:
        wrong = fault(WORK_ITEM_SHAPES.get(self.kind, {}), self.fields)
        if wrong is None:
            try:
                require_writable({self.kind: self.fields})
            except ValueError as error:
                wrong = str(error)
        if wrong is not None:
            raise self._error(wrong)

    def _error(self, wrong: str) -> RecordError:
        instance, execution = self.instance_id, self.fields.get("execution_id", self.fields.get("parent_execution_id"))
        whose = "" if instance is None else f" for {instance!r}"
        of_execution = f", execution {execution}" if NUMBER.holds(execution) else ""
        return RecordError(f"In {self.kind}{whose}{of_execution}: {wrong}.", f"in {self.kind}{of_execution}, {wrong}")
