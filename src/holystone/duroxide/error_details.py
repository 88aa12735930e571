"""The details of a failure, as the engine reads them.

Source in microsoft/duroxide: `ErrorDetails`, `ConfigErrorKind`, `AppErrorKind` and `PoisonMessageType` in src/lib.rs,
which serde tags externally: a variant is a text where it has no fields, and else an object with one field, its name.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from holystone.duroxide.fields import NUMBER, TEXT, Field, Shape, fault, in_words


class Variants(Struct, frozen=True):
    """An enum of the engine's: name of a variant -> its fields, None where it has none."""

    shapes: Mapping[str, Shape | None]

    def fault(self, value: Any) -> str | None:
        """Return what keeps the engine from reading the value; None where nothing does, or its variant is unknown."""
        match value:
            case str() if value not in self.shapes or self.shapes[value] is None:
                return None
            case str():
                return f"{value} has no fields"
            case Mapping() if len(value) == 1:
                ((name, content),) = value.items()
                return self._fault_of(name, content)
            case Mapping():
                return f"it should have one field, and has {len(value)}"
            case _:
                return f"it is {in_words(value)}"

    def names(self, value: Any) -> Iterator[str]:
        """Yield the name of the variant, and of those in it; `value` is one in which nothing is a fault."""
        name, content = (value, None) if isinstance(value, str) else next(iter(value.items()))
        yield name
        for field in _NESTED:
            if isinstance(content, Mapping) and field in content and name in _NESTED[field]:
                yield from _NESTED[field][name].names(content[field])

    def _fault_of(self, name: str, content: Any) -> str | None:
        if name not in self.shapes:
            return None
        shape = self.shapes[name]
        if shape is None:
            return None if content is None else f"{name} has fields"
        if isinstance(content, list) and len(content) == len(shape):
            # serde takes the fields in their order, too. No engine writes them so, and nothing here makes use of it.
            return fault(shape, dict(zip(shape, content, strict=True)))
        if not isinstance(content, Mapping):
            return f"{name} should be an object, and is {in_words(content)}"
        return fault(shape, content)

    def unknown(self, value: Any) -> str | None:
        """Return the name of the variant that is unknown here, at whatever depth; None where all are known."""
        name, content = (value, None) if isinstance(value, str) else next(iter(value.items()))
        if name not in self.shapes:
            return str(name)
        for field in _NESTED:
            if isinstance(content, Mapping) and field in content and field in (self.shapes[name] or {}):
                return _NESTED[field][name].unknown(content[field]) if name in _NESTED[field] else None
        return None


def _field(means: str, variants: Variants) -> Field:
    return Field(means, lambda value: variants.fault(value) is None, why=variants.fault)


_SMALL_NUMBER = Field("a whole number from 0 to 2^32 - 1", lambda value: type(value) is int and 0 <= value < 2**32)
_FLAG = Field("true or false", lambda value: isinstance(value, bool))
_CONFIGURATION = Variants({"Nondeterminism": None})
_APPLICATION = Variants(
    {"ActivityFailed": None, "OrchestrationFailed": None, "Panicked": None, "Cancelled": {"reason": TEXT}}
)
_OF_INSTANCE: Shape = {"instance": TEXT, "execution_id": NUMBER}
_POISON = Variants(
    {
        "Orchestration": _OF_INSTANCE,
        "Activity": {**_OF_INSTANCE, "activity_name": TEXT, "activity_id": NUMBER},
        "FailedDeserialization": {**_OF_INSTANCE, "error": TEXT},
    }
)
_NESTED: Mapping[str, Mapping[str, Variants]] = {
    "kind": {"Configuration": _CONFIGURATION, "Application": _APPLICATION},
    "message_type": {"Poison": _POISON},
}
"""Field of a variant -> name of the variant -> what is in the field."""

ERROR_DETAILS = Variants(
    {
        "Infrastructure": {"operation": TEXT, "message": TEXT, "retryable": _FLAG},
        "Configuration": {
            "kind": _field("the kind of a configuration error", _CONFIGURATION),
            "resource": TEXT,
            "message": TEXT.or_null,
        },
        "Application": {
            "kind": _field("the kind of an application error", _APPLICATION),
            "message": TEXT,
            "retryable": _FLAG,
        },
        "Poison": {
            "attempt_count": _SMALL_NUMBER,
            "max_attempts": _SMALL_NUMBER,
            "message_type": _field("what was poisoned", _POISON),
            "message": TEXT,
        },
    }
)
"""The details of a failure; newer engines may have other variants."""

DETAILS = _field("the details of a failure", ERROR_DETAILS)
"""The field of an event or a message that holds them."""


def is_known(details: Any) -> bool:
    """Return whether the newest engine known here can read the details of a failure."""
    return ERROR_DETAILS.fault(details) is None and ERROR_DETAILS.unknown(details) is None


def display_message(details: Any) -> str | None:
    """Return the text that the engine shows for the details of a failure; None where it cannot be told.

    Source in microsoft/duroxide: `ErrorDetails::display_message` in src/lib.rs.
    """
    if not is_known(details):
        return None
    match details:
        case {"Infrastructure": {"operation": operation, "message": message}}:
            return f"infrastructure:{operation}: {message}"
        case {"Configuration": {"resource": resource, **rest}}:
            message = rest.get("message")
            return f"nondeterministic in {resource}" if message is None else f"nondeterministic: {message}"
        case {"Application": {"kind": {"Cancelled": {"reason": reason}}}}:
            return f"canceled: {reason}"
        case {"Application": {"kind": "Panicked", "message": message}}:
            return f"orchestration panicked: {message}"
        case {"Application": {"message": str(message)}}:
            return message
        case {"Poison": {"attempt_count": attempts, "max_attempts": limit, "message_type": subject}}:
            return _poison_message(subject, f"{attempts} attempts (max {limit})")
        case _:
            return None


def _poison_message(subject: Any, attempts: str) -> str | None:
    match subject:
        case {"Orchestration": {"instance": instance}}:
            return f"poison: orchestration {instance} exceeded {attempts}"
        case {"Activity": {"activity_name": name, "activity_id": number}}:
            return f"poison: activity {name}#{number} exceeded {attempts}"
        case {"FailedDeserialization": {"instance": instance, "error": error}}:
            return f"poison: orchestration {instance} history deserialization failed after {attempts}: {error}"
        case _:
            return None
