"""What is known of one event: by itself, and beside the events of its execution that it refers to or ends."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import select

from holystone.duroxide.event import Event
from holystone.duroxide.event_types import EVENT_TYPES, POISON_EVENT_ID, TERMINAL
from holystone.duroxide.limits import names_limit
from holystone.duroxide.outcome import known_type
from holystone.duroxide.references import CANCELLING, REFERS_TO
from holystone.duroxide.release import Rule
from holystone.duroxide.releases import keeps
from holystone.duroxide.tables import instances
from holystone.errors import RecordError
from holystone.scan.compared import Compared
from holystone.scan.digest import digest_of
from holystone.scan.reader import EventRow, Reader
from holystone.scan.relation import Key
from holystone.scan.relations.upgrades import is_upgraded

KNOWN = "one that this version knows"
_KEY = ("instance_id", "execution_id", "event_id")
_NOT_ASKED = frozenset({"input", "output", "result", "data", "value"})
"""Fields that no check asks for, and that can be as long as a database takes a value."""
_NAMED = 5
"""Events that a finding names; of more it says how many there are."""


class Source(Struct, frozen=True):
    """The event that another one refers to: `type` is None where there is none of that id before it.

    `known` is False where its type cannot be told.
    """

    type: str | None
    known: bool = True


class EventFacts(Struct, frozen=True):
    """One event.

    `fault` says why the engine cannot read it, None where it can or where the type is unknown here; `harms` says whom
    that harms, and `given_up` whether the engine has failed the execution for it. `was_removed` is whether older
    engines wrote what newer ones cannot read any more, which is right in a store that none of these has met. `said` is
    what event_data holds but inputs and results, nothing where no engine can read it, and `type` the type, or words
    that say what of it is unknown here. Of an event that ends the execution, `strays` are the events after it that do
    not belong there, and `ended_again` is the one that ends it once more.
    """

    instance_id: str
    execution_id: int
    event_id: int
    column: Any
    digest: str
    fault: Compared[str | None]
    harms: str | None
    given_up: bool
    was_removed: bool
    said: Mapping[str, Any]
    source: Source
    strays: Compared[str | None]
    ended_again: Compared[str | None]

    @property
    def key(self) -> Key:
        return {name: getattr(self, name) for name in _KEY}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"event_sha256": self.digest}

    @property
    def type(self) -> str | None:
        return known_type(self.said) if self.said else None

    @property
    def event_type(self) -> Compared[Any]:
        return Compared("event_type", self.column, self.type, decided=self.type in EVENT_TYPES)

    @property
    def known_type(self) -> Compared[str | None]:
        expected = self.type if self.type in EVENT_TYPES else KNOWN
        return Compared("type", self.type, expected, decided=self.type is not None and not self.was_removed)

    @property
    def ids(self) -> Sequence[Compared[Any]]:
        """What it says to be, in its row's words: an event of an instance and an execution."""
        named = bool(self.said) and not self._is_named_otherwise
        return [
            Compared(name, self.said.get(name), value, decided=bool(self.said) if name == "event_id" else named)
            for name, value in self.key.items()
        ]

    @property
    def source_event_id(self) -> Compared[int | None]:
        refers_to = self.said.get("source_event_id")
        return Compared("source_event_id", refers_to, refers_to, decided=self._refers)

    @property
    def source_type(self) -> Compared[str | None]:
        """The type of the event that it refers to."""
        return Compared("source_type", self.source.type, REFERS_TO.get(str(self.type)), decided=self._refers)

    @property
    def _refers(self) -> bool:
        """It has to refer to another event, and whether it does so can be told."""
        return self.type in REFERS_TO and self.source.known

    @property
    def _is_named_otherwise(self) -> bool:
        """The engine itself wrote other ids into the event than into its row.

        Sources in microsoft/duroxide: `append_failed` in src/runtime/state_helpers.rs before 0.1.30, which names
        nobody; and in `process_orchestration_item` of src/runtime/dispatchers/orchestration.rs the failure of a first
        turn after continue-as-new that could not be stored, which names the execution before.
        """
        if self.said.get("type") != "OrchestrationFailed":
            return False
        named = (self.said["instance_id"], self.said["execution_id"])
        if named == ("", 0):
            return not keeps(self.said["duroxide_version"], Rule.real_ids_in_failures)
        return "Infrastructure" in self.said["details"] and named == (self.instance_id, self.execution_id - 1)


def event_facts(reader: Reader, row: Any) -> EventFacts:
    """Return the facts of a row of history."""
    events = reader.history(row.instance_id, row.execution_id)
    place = next((place for place, event in enumerate(events) if event.event_id == row.event_id), None)
    if place is None:
        raise LookupError("the history, read once more, does not have it")  # an index is damaged, or the database
    event_data = events[place].event_data
    event, fault = _read(reader, event_data)
    said = {} if event is None else {name: said for name, said in event.fields.items() if name not in _NOT_ASKED}
    later = events[place + 1 :] if said.get("type") in TERMINAL else ()
    return EventFacts(
        instance_id=row.instance_id,
        execution_id=row.execution_id,
        event_id=row.event_id,
        column=row.event_type,
        digest=digest_of(event_data),
        fault=Compared("fault", fault, None),
        harms=None if fault is None else _harms(reader, row, event_data, events[-1], event),
        given_up=any(event.event_id == POISON_EVENT_ID and event.type in TERMINAL for event in events),
        was_removed=event is not None and event.was_removed,
        said=said,
        source=_source(events[:place], said.get("source_event_id")),
        strays=Compared("strays", _strays(later), None),
        ended_again=Compared("ended_again", _ended_again(later), None),
    )


def _read(reader: Reader, event_data: Any) -> tuple[Event | None, str | None]:
    """Return the event, and why the engine cannot read it, in a few words; None where a newer one may be able to.

    What newer engines cannot read any more is a fault only once one of those has upgraded the store.
    """
    if not isinstance(event_data, str):
        return None, "it is no text"
    survives = reader.flavour.engine_can_decode(event_data)  # asked while nothing else is in memory: either can be long
    try:
        event = Event.from_json(event_data)
    except RecordError as error:
        return None, error.why
    if event.was_removed and is_upgraded(reader):
        return event, f"newer engines do not know {event.unknown!r} any more"
    return event, None if survives else "it holds what no JSONB can"


def _harms(reader: Reader, row: Any, event_data: Any, last: EventRow, event: Event | None) -> str | None:
    """Return whom it harms that the event cannot be read: only the current execution is fetched for a turn.

    Whoever asks for the status of an execution that an upgrade of the engine left so hears of an error for ever.
    """
    harms = _stops(reader, row, event_data, last)
    return f"upgrade-{harms or 'hides-status'}" if event is not None and event.was_removed else harms


def _stops(reader: Reader, row: Any, event_data: Any, last: EventRow) -> str | None:
    current = reader.once(
        ("current_execution_id", row.instance_id),
        lambda: reader.connection.execute(
            select(instances.c.current_execution_id).where(instances.c.instance_id == row.instance_id)
        ).scalar_one_or_none(),
    )
    if current != row.execution_id:
        return None
    if isinstance(event_data, str) and not reader.flavour.engine_can_decode(event_data):
        return "halts-dispatch"
    return None if (last.event or {}).get("type") in TERMINAL else "fails-instance"


def _source(earlier: Sequence[EventRow], event_id: Any) -> Source:
    found = next((event for event in earlier if event.event_id == event_id), None)
    return Source(None) if found is None else Source(found.type, known=found.type in EVENT_TYPES)


def _strays(later: Sequence[EventRow]) -> str | None:
    """Return the events after an end, up to the next one, that no ack writes there.

    What is still open when an execution ends is given up by the same ack, partly after the end. Types that are
    unknown here may be a newer engine's way of doing so.
    """
    strays = []
    for event in later:
        if event.type in TERMINAL:
            break
        if event.type in EVENT_TYPES and event.type not in CANCELLING:
            strays.append(f"{event.type} {event.event_id}")
    if len(strays) > _NAMED:
        strays[_NAMED:] = [f"{len(strays) - _NAMED} more"]
    return ", ".join(strays) or None


def _ended_again(later: Sequence[EventRow]) -> str | None:
    """Return the next event that ends the execution, where it is none that the engine adds to an end."""
    end = next((event for event in later if event.type in TERMINAL), None)
    if end is None or _is_added(end, at_once=end is later[0]):
        return None
    return f"{end.type} {end.event_id}"


def _is_added(end: EventRow, *, at_once: bool) -> bool:
    """Return whether the engine itself may have ended the execution once more, as a failure, with this event.

    It does where the turn that ended it broke a limit, and where a message to an execution that has ended was fetched
    too often. Sources in microsoft/duroxide: `validate_limits` and `fail_orchestration_as_poison` in
    src/runtime/dispatchers/orchestration.rs. Failures of kinds that are unknown here may be its own as well.
    """
    details = (end.event or {}).get("details")
    if names_limit(details):
        return at_once
    match details:
        case {"Application": _} | {"Configuration": _} | {"Infrastructure": _}:
            return False
        case _:
            return end.type == "OrchestrationFailed"
