"""The events of a history, as the engine writes them.

Source in microsoft/duroxide: `Event` in src/lib.rs. Which types there are, and with which payload, is in `releases.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from holystone.duroxide.compact_json import require_writable, write
from holystone.duroxide.error_details import ERROR_DETAILS
from holystone.duroxide.fields import NUMBER, TEXT, Shape, completed, fault, read_object
from holystone.duroxide.releases import NEWEST_WRITES, REMOVED
from holystone.errors import RecordError

COMMON: Shape = {
    "event_id": NUMBER,
    "source_event_id": NUMBER.or_null,
    "instance_id": TEXT,
    "execution_id": NUMBER,
    "timestamp_ms": NUMBER,
    "duroxide_version": TEXT,
    "type": TEXT,
}
"""What every event has."""

EVENT_SHAPES: Mapping[str, Shape] = NEWEST_WRITES.events
"""Type of an event -> its payload, for every type of the newest engine known here; a newer one may write others."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event of a history: the fields that every event has, and the payload of its type.

    Whatever is made is an event that the engine could read, if it knows the type; RecordError says why it
    could not. Types and fields that are unknown here, of a newer engine, are kept as they are and where they are.
    """

    event_id: int
    source_event_id: int | None = None
    instance_id: str
    execution_id: int
    timestamp_ms: int
    duroxide_version: str
    type: str
    payload: Mapping[str, Any] = field(hash=False)
    _order: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def new(
        cls,
        type: str,
        *,
        event_id: int,
        instance_id: str,
        execution_id: int,
        timestamp_ms: int,
        duroxide_version: str,
        source_event_id: int | None = None,
        **payload: Any,
    ) -> Self:
        """Return an event of a known type as the engine would write it, or one of another type as it is given.

        `EVENT_SHAPES` says which payload a type has, and what may be left out of it.
        """
        event = cls(
            event_id=event_id,
            source_event_id=source_event_id,
            instance_id=instance_id,
            execution_id=execution_id,
            timestamp_ms=timestamp_ms,
            duroxide_version=duroxide_version,
            type=type,
            payload=completed(EVENT_SHAPES.get(type, {}), payload),
        )
        if type in EVENT_SHAPES and (unknown := payload.keys() - EVENT_SHAPES[type]):
            raise _error(event.fields, f"{type} has no {min(unknown)!r}")
        return event

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the event that a history row's event_data holds."""
        try:
            fields = read_object(text)
        except ValueError as error:
            raise RecordError(f"The event {error}.", f"it {error}") from None
        if (wrong := fault(COMMON, fields)) is not None:
            raise _error(fields, wrong)
        payload = {name: value for name, value in fields.items() if name not in COMMON}
        common: dict[str, Any] = {name: fields.get(name) for name in COMMON}
        return cls(**common, payload=payload, _order=tuple(fields))

    @property
    def unknown(self) -> str | None:
        """The type, or else the kind of failure, that the newest engine known here cannot read; None where it can."""
        if self.type not in EVENT_SHAPES:
            return self.type
        return ERROR_DETAILS.unknown(self.payload["details"]) if "details" in EVENT_SHAPES[self.type] else None

    @property
    def was_removed(self) -> bool:
        """Whether older engines wrote what is unknown: newer ones cannot read it any more."""
        return self.unknown in REMOVED

    def to_json(self) -> str:
        """Return the event as the engine writes it into event_data."""
        return write(self.fields)

    @property
    def fields(self) -> dict[str, Any]:
        """All fields in the order in which they are written: the common ones, then the payload.

        An event that was read keeps the order that it had.
        """
        fields = {**{name: getattr(self, name) for name in COMMON}, **self.payload}
        return {name: fields[name] for name in [*self._order, *fields] if name in fields}

    def __post_init__(self) -> None:
        fields = self.fields
        wrong = fault(COMMON, fields) or fault(EVENT_SHAPES.get(self.type, {}), self.payload)
        if taken := self.payload.keys() & COMMON:
            wrong = f"{min(taken)!r} is no part of the payload"
        if wrong is None:
            try:
                require_writable(fields)
            except ValueError as error:
                wrong = str(error)
        if wrong is not None:
            raise _error(fields, wrong)


def _error(fields: Mapping[str, Any], wrong: str) -> RecordError:
    """Return the error that says what is wrong with an event, and which event that is as far as it says so itself."""
    number, instance, execution = (fields.get(name) for name in ("event_id", "instance_id", "execution_id"))
    which = f"event {number}" if NUMBER.holds(number) else "an event"
    if isinstance(instance, str):
        which += f" of {instance!r}"
    if NUMBER.holds(execution):
        which += f", execution {execution}"
    return RecordError(f"In {which}: {wrong}.", wrong)


def parse_event(event_data: Any) -> dict[str, Any] | None:
    """Return the fields of the event, or None where the engine cannot read it.

    A type or a kind of failure that is unknown here may be a newer engine's: `outcome.known_type` tells.
    """
    if not isinstance(event_data, str):
        return None
    # In the same words as `Event`, which tells what is wrong and takes twice as long.
    try:
        fields = read_object(event_data)
        if fault(COMMON, fields) is not None or fault(EVENT_SHAPES.get(fields["type"], {}), fields) is not None:
            return None
        if not event_data.isascii() or "\\u" in event_data:  # no other text holds half of a surrogate pair
            require_writable(fields)
    except ValueError:
        return None
    return {**fields, **{name: None for name in COMMON if name not in fields}}
