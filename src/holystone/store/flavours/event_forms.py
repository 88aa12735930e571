"""What SQL can tell about a row of history, as the engine writes it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, and_, not_, or_

from holystone.store.event import EVENT_SHAPES
from holystone.store.fields import DETAILS, NUMBER, PAIRS, TEXT, Field
from holystone.store.references import REFERS_TO

Row = Any
"""The columns of history, or of an alias of it."""
Data = ColumnElement[str]
"""A column event_data."""


class Wild(Enum):
    """What stands in a pattern for more than one text."""

    anything = auto()
    moment = auto()
    """A time in ms since the epoch of thirteen digits: from 2001 until 2128, for some timers are far away."""


Pattern = Sequence[str | Wild]

DIGITS = "0123456789"
_OPENINGS = {TEXT.means: '"', NUMBER.means: DIGITS, PAIRS.means: "[", DETAILS.means: "{"}
"""What a field means -> the characters that such a value begins with."""


class EventForms(ABC):
    """Conditions on rows of history that are quick, and never wrongly yes.

    Each may say no where the answer is yes: to events that others wrote with spaces or in another order, to ids with
    quotation marks, to moments of another age. So they find suspects only, and a finding rests on what
    `Event.from_json` reads. None is ever NULL.
    """

    @abstractmethod
    def kind(self, row: Row) -> ColumnElement[str]:
        """Return the type that the row seems to have; whether it has it, `has_form` tells."""

    @abstractmethod
    def is_kind(self, row: Row, kind: str) -> ColumnElement[bool]:
        """Return whether the row seems to have this type."""

    @abstractmethod
    def refers_to(self, row: Row, source: Row) -> ColumnElement[bool]:
        """Return whether the event has the other row's event_id as its source_event_id."""

    @abstractmethod
    def has_ids_of(self, row: Row) -> ColumnElement[bool]:
        """Return whether the event begins with the ids of its row."""

    @abstractmethod
    def fits(self, data: Data, pattern: Pattern) -> ColumnElement[bool]:
        """Return whether the event is as the pattern says."""

    @abstractmethod
    def opens(self, data: Data, name: str, characters: str) -> ColumnElement[bool]:
        """Return whether the value of this field begins with one of the characters."""

    @abstractmethod
    def is_sound(self, data: Data) -> ColumnElement[bool]:
        """Return whether the text is JSON to any reader of it, provided that `fails_as_json` ends no statement."""

    @abstractmethod
    def fails_as_json(self, data: Data) -> ColumnElement[bool]:
        """Return a condition that no event meets, and that ends the statement where `is_sound` cannot tell JSON."""

    @abstractmethod
    def attempt(self, connection: Connection, statement: Executable) -> Iterable[Any] | None:
        """Return the rows of a statement; None where `fails_as_json` has ended it."""

    @abstractmethod
    def survives(self, data: str) -> bool:
        """Return whether the engine survives that it fetches such an event: not where its own statement fails."""

    def contains(self, data: Data, text: str) -> ColumnElement[bool]:
        """Return whether the event holds this text."""
        return self.fits(data, [Wild.anything, text, Wild.anything])

    def has_form(self, data: Data, kind: str) -> ColumnElement[bool]:
        """Return whether the event has this type, and the fields that go with it, in the engine's order."""
        shape = EVENT_SHAPES[kind]
        pattern: list[str | Wild] = ['{"event_id":', Wild.anything, ',"source_event_id":']
        pattern += [] if kind in REFERS_TO else ["null"]
        pattern += [Wild.anything, ',"timestamp_ms":', Wild.moment, ',"duroxide_version":"']
        pattern += [Wild.anything, f'","type":"{kind}"']
        optional = []
        for name, field in shape.items():
            if not field.required:
                optional.append(self._has_well(data, name, field))
            elif field.means == NUMBER.means:
                pattern += [f',"{name}":', Wild.moment]
            else:
                pattern += [f',"{name}":{_OPENINGS[field.means]}', Wild.anything]
        pattern += ["}"] if isinstance(pattern[-1], Wild) else [Wild.anything, "}"]
        return and_(self.fits(data, pattern), *optional)

    def _has_well(self, data: Data, name: str, field: Field) -> ColumnElement[bool]:
        """Return whether a field that may be left out is so, or holds what it should."""
        openings = _OPENINGS[field.means] + ("n" if field.accepts(None) else "")
        absent = not_(self.contains(data, f',"{name}":'))
        well = self.opens(data, name, openings)
        return or_(absent, well) if field.left_out else or_(well, absent)
