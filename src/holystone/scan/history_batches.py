"""Batches of events: those of one execution in one row, so that all of them are read at once.

Most histories of a store are sound, and to see that in Python is much quicker than to ask a database about each event:
what is not surely sound is looked at once more, with care.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, not_, select
from sqlalchemy.exc import NoResultFound

from holystone.duroxide.error_details import is_known
from holystone.duroxide.event import EVENT_SHAPES
from holystone.duroxide.event_types import START, TERMINAL
from holystone.duroxide.references import REFERS_TO
from holystone.duroxide.tables import history
from holystone.flavours import Flavour
from holystone.scan.long_texts import is_long
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions

if TYPE_CHECKING:
    from msgspec import Struct
    from sqlalchemy.sql.base import ReadOnlyColumnCollection

_REMEMBERED = 1_000
_MOST = 1_000
"""Number of the last event that is packed: few histories are longer."""
_PIECE = 1_000_000
"""Length of the events that are read at a time apart from their batch, of which one alone can be longer."""
_APART = "null"
"""The line of an event that is read apart from its batch: no event is written so."""
_IS_APART = type(None)
_WITHOUT_COPY = ("input", "result", "data", "value")
"""Fields that can be long and are in events alone, but for those of an event that ends an execution."""
_KEY = (history.c.instance_id == bindparam("instance_id"), history.c.execution_id == bindparam("execution_id"))

Kinds = tuple["type[Struct]", ...]


class _Signature(NamedTuple):
    """What the types of a history's events ask for: the column event_type, and what each event may refer to."""

    event_types: str
    event_ids: str
    sources: Sequence[tuple[int, "type[Struct]"]]
    """Places of events that refer to an earlier one, and what that has to be."""
    failures: Sequence[int]
    """Places of events with the details of a failure."""
    custom_status: int | None
    """Place of the last event that sets the custom status, None where there is none."""
    has_keys: bool


class SoundHistory(NamedTuple):
    """The events of a history that surely is as the engine writes it.

    Events that were read apart lack inputs and results of which no row has a copy.
    """

    events: Sequence[Any]
    custom_status: int | None
    """Place of the last event that sets the custom status, None where there is none."""
    has_keys: bool
    """Whether an event sets or clears keys."""


def batched_histories(flavour: Flavour, within: Conditions) -> Select[Any]:
    """Return the select of the executions that have history, with the ids, types and texts of events in lines.

    They come in the order of their key. An event that is read apart has `_APART` in its line.
    """
    order = [history.c.instance_id, history.c.execution_id, history.c.event_id]
    rows = select(*order, history.c.event_type, history.c.event_data).where(*within)
    event = flavour.to_be_grouped(rows, order).c
    key = (event.instance_id, event.execution_id)
    lines = case((_is_in_batch(flavour, event), event.event_data), else_=_APART)
    return (
        select(
            *key,
            flavour.string_agg(event.event_id).label("event_ids"),
            flavour.string_agg(event.event_type).label("event_types"),
            flavour.in_utf8(flavour.string_agg(lines)).label("event_data"),
            func.count().filter(flavour.is_text(event.event_type)).label("texts"),
        )
        .group_by(*key)
        .order_by(*key)
    )


def _is_in_batch(flavour: Flavour, event: "ReadOnlyColumnCollection[str, Any]") -> ColumnElement[bool]:
    """Return whether an event is in its batch, which no history makes too great in this way; the others are apart.

    Where the text is none, it is apart too, and found out there.
    """
    short = not_(is_long(flavour, event.event_data))
    return and_(event.event_id <= _MOST, flavour.is_text(event.event_data), short)


def _lengths_apart(flavour: Flavour) -> Select[Any]:
    length = flavour.length(history.c.event_data)
    return select(history.c.event_id, length).where(*_of_batch(flavour)).order_by(history.c.event_id)


def _texts_apart(flavour: Flavour) -> Select[Any]:
    piece = history.c.event_id.between(bindparam("first"), bindparam("last"))
    columns = (history.c.event_id, history.c.event_data)
    return select(*columns).where(*_of_batch(flavour), piece).order_by(history.c.event_id)


def _text_apart(flavour: Flavour) -> Select[Any]:
    return select(history.c.event_data).where(*_KEY, history.c.event_id == bindparam("first"))


def _of_batch(flavour: Flavour) -> Conditions:
    return [*_KEY, not_(_is_in_batch(flavour, history.c))]


def _pieces(lengths: Iterable[tuple[Any, int | None]]) -> Iterator[tuple[Any, Any]]:
    """Yield the first and the last id of events that are read at a time: long ones alone."""
    first = last = None
    total = 0
    for event_id, length in lengths:
        if first is not None and total + (length or 0) > _PIECE:
            yield first, last
            first, total = None, 0
        first, last = event_id if first is None else first, event_id
        total += length or 0
    if first is not None:
        yield first, last


class HistoryBatches:
    """Reads batches of events, each of one history, in the snapshot of a scan."""

    def __init__(self, reader: Reader) -> None:
        from holystone.duroxide.decoder import read_lines

        self._reader = reader
        self._flavour = reader.flavour
        self._read = read_lines
        # Few signatures make up most of a store.
        self._signature = lru_cache(_REMEMBERED)(self._signature_of)

    def sound_history(self, batch: Any) -> SoundHistory | None:
        """Return the history in a row of `batched_histories`; None unless it surely is as the engine writes it.

        Then each event is to the letter what the engine writes, stands where its ids say, in a row of its type, and
        after the one that it refers to; they are numbered through, from the start on, and nothing follows an end.
        """
        instance_id, execution_id, event_ids, event_types, event_data, texts = batch
        events = self._read(event_data, with_null=True)
        if events is None or self._flavour.may_break_engine(event_data):
            return None
        kinds = tuple(map(type, events))
        if _IS_APART in kinds:
            events = _merged(event_ids.split("\n"), events, self._events_apart(instance_id, execution_id))
            kinds = tuple(map(type, events))
        signature = self._signature(kinds)
        if (
            signature is None
            or texts != len(kinds)
            or event_types != signature.event_types
            or event_ids != signature.event_ids
        ):
            return None
        for event_id, event in enumerate(events, 1):
            if event.event_id != event_id or event.instance_id != instance_id or event.execution_id != execution_id:
                return None
        for place, wanted in signature.sources:
            source_id = events[place].source_event_id
            if source_id is None or not 0 < source_id <= place or kinds[source_id - 1] is not wanted:
                return None
        for place in signature.failures:
            if not is_known(events[place].details):
                return None
        return SoundHistory(events, signature.custom_status, signature.has_keys)

    def _events_apart(self, instance_id: Any, execution_id: Any) -> "dict[str, Any] | None":
        """Return the events that a batch lacks, by the ids of their rows; None unless the engine writes all of them so.

        There is one long text in memory at a time, and what was read out of it.
        """
        key = {"instance_id": instance_id, "execution_id": execution_id}
        found: dict[str, Any] = {}
        for first, last in _pieces(self._execute(_lengths_apart, key)):
            event_ids, texts = self._texts(key, first, last)
            events = self._read_lines(texts)
            if events is None or len(events) != len(event_ids):
                return None
            for event in events:
                _lighten(event)
            found.update(zip(event_ids, events, strict=True))
        return found

    def _texts(self, key: Mapping[str, Any], first: Any, last: Any) -> tuple[list[str], list[Any]]:
        """Return the ids of some events that a batch lacks, and their texts."""
        values = {**key, "first": first, "last": last}
        if first == last:
            # By its key alone: what is asked of a text costs SQLite a copy of it.
            statement = self._reader.store.prepared(_text_apart).params(values)
            try:
                return [str(first)], [self._reader.long_text(statement)]
            except NoResultFound:  # an index is damaged
                return [str(first)], [None]
        rows = self._execute(_texts_apart, values)
        return [str(row.event_id) for row in rows], [row.event_data for row in rows]

    def _execute(self, build: "Callable[[Flavour], Select[Any]]", key: Mapping[str, Any]) -> Sequence[Any]:
        return self._reader.connection.execute(self._reader.store.prepared(build), key).all()

    def _read_lines(self, texts: list[Any]) -> "Sequence[Any] | None":
        """Return the events in some texts, None unless they are as the engine writes them; takes the texts away."""
        if not all(isinstance(text, str) and not self._flavour.may_break_engine(text) for text in texts):
            return None
        # Nobody else may keep a text that is as long as a database takes one.
        return self._read(texts.pop() if len(texts) == 1 else "\n".join(texts))

    def _signature_of(self, kinds: Kinds) -> _Signature | None:
        """Return the signature of a history with such events; None where the engine writes none."""
        from holystone.duroxide.decoder import EVENT_STRUCTS

        names = [kind.__name__ for kind in kinds]
        if not names or names[0] != START or any(name in TERMINAL for name in names[:-1]):
            return None
        sources = [(place, EVENT_STRUCTS[REFERS_TO[name]]) for place, name in enumerate(names) if name in REFERS_TO]
        failures = [place for place, name in enumerate(names) if "details" in EVENT_SHAPES[name]]
        event_types = "\n".join(map(self._flavour.event_type_column, names))
        custom_status = max((place for place, name in enumerate(names) if name == "CustomStatusUpdated"), default=None)
        has_keys = any(name.startswith("KeyValue") for name in names)
        return _Signature(event_types, _numbered(len(names)), sources, failures, custom_status, has_keys)


def _merged(event_ids: Sequence[str], packed: Sequence[Any], apart: Mapping[str, Any] | None) -> Sequence[Any]:
    """Return the events of a history in the order of their rows; none where rows and events do not match."""
    if apart is None or len(event_ids) != len(packed):
        return ()
    lines = list(zip(event_ids, packed, strict=True))
    if {event_id for event_id, event in lines if event is None} != apart.keys():
        return ()
    return [apart[event_id] if event is None else event for event_id, event in lines]


def _lighten(event: Any) -> None:
    """Take away what no other row has a copy of, and nobody compares with anything."""
    if type(event).__name__ not in TERMINAL:
        for name in _WITHOUT_COPY:
            if hasattr(event, name):
                setattr(event, name, "")


@lru_cache(_REMEMBERED)
def _numbered(count: int) -> str:
    return "\n".join(map(str, range(1, count + 1)))
