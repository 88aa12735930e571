"""No history with a damaged event passes for sound: whatever the facts find fault with, it is a suspect."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import insert

from conftest import ENGINES, FLAVOURS, MakeStore, marks_of
from holystone.demo.scribe import ENGINE_VERSION
from holystone.duroxide.error_details import DETAILS
from holystone.duroxide.event import EVENT_SHAPES
from holystone.duroxide.event_types import EVENT_TYPES
from holystone.duroxide.fields import NUMBER, PAIRS, TEXT
from holystone.duroxide.references import REFERS_TO
from holystone.duroxide.tables import history
from holystone.scan.check import any_row
from holystone.scan.reader import Reader
from holystone.scan.relations.event_facts import event_facts
from holystone.scan.relations.events import EVENTS
from holystone.store import Event, Store

NOW_MS = 1_760_000_000_000
VALUES = {
    TEXT.means: 'a "b" \\ é 🧽 \u001b',
    NUMBER.means: NOW_MS,
    PAIRS.means: [["letters", "a"]],
    DETAILS.means: {"Application": {"kind": "Panicked", "message": "x", "retryable": False}},
}
OTHERS = ("null", "true", "-1", "1.5", "12345678901234567890123", '"x"', "[]", "{}", '["x"]')


def whole(kind: str, event_id: int, source: int | None = None, *, full: bool = True) -> Event:
    """An event as the engine writes it, with or without all that may be left out."""
    fields = {name: VALUES[field.means] for name, field in EVENT_SHAPES[kind].items() if full or field.required}
    return Event.new(
        kind,
        event_id=event_id,
        source_event_id=source,
        instance_id="i",
        execution_id=1,
        timestamp_ms=NOW_MS,
        duroxide_version=ENGINE_VERSION,
        **fields,
    )


def damaged(text: str) -> Iterator[str]:
    """The text with each character left out, doubled or replaced, cut off, and with each value replaced."""
    for place in range(len(text)):
        yield text[:place] + text[place + 1 :]
        yield text[:place]
        for other in '.9e"\\{ ':
            yield text[:place] + other + text[place + 1 :]
            yield text[:place] + other + text[place:]
    starts = [place for place in range(len(text)) if text.startswith('":', place)]
    for start in starts:
        for end in [place for place in range(start + 3, len(text)) if text[place] in ",}"][:3]:
            for other in OTHERS:
                yield text[: start + 2] + other + text[end:]
    for escape in ("\\ud83e", "\\u0000"):
        yield text.replace(ENGINE_VERSION, ENGINE_VERSION + escape)


@pytest.mark.parametrize(
    ("kind", "flavour"),
    [
        pytest.param(kind, flavour, marks=marks_of(number + 1, 6))
        for number, kind in enumerate(sorted(EVENT_TYPES))
        for flavour in FLAVOURS
    ],
)
def test_no_damage_escapes(engine_store: MakeStore, kind: str, flavour: str) -> None:
    made = engine_store(ENGINES[-1], flavour, ())  # type: ignore[arg-type]
    store = Store.open(made.target, made.schema)
    source = 1 if kind in REFERS_TO else None
    asked = whole(REFERS_TO.get(kind, "TimerCreated"), 1, full=False)
    texts = {text for full in (False, True) for text in damaged(whole(kind, 2, source, full=full).to_json())}
    rows, event_type = [], store.flavour.event_type_column
    for number, text in enumerate(sorted(texts)):
        instance = f"i{number}"
        for event_id, kind_of, data in ((1, asked.type, asked.to_json()), (2, kind, text)):
            named = data.replace('"instance_id":"i"', f'"instance_id":"{instance}"')
            row = {"instance_id": instance, "execution_id": 1, "event_id": event_id, "event_data": named}
            rows.append(row | {"event_type": event_type(kind_of), "created_at": store.flavour.created_at(NOW_MS)})
    with store.transaction() as connection:
        connection.execute(insert(history), rows)
    with store.snapshot() as connection:
        reader = Reader(store, connection)
        suspects = {
            (facts.key["instance_id"], facts.key["event_id"]) for _, facts in EVENTS.suspects(reader, [any_row], [])
        }
        faulty = []
        for second in connection.execute(history.select().where(history.c.event_id == 2)).all():
            facts = event_facts(reader, second)
            checked = [facts.fault, *facts.ids, facts.event_type, facts.known_type, facts.source_type]
            wrong = [one.name for one in checked if one.differs]
            # On PostgreSQL the column is no copy of the type.
            if [name for name in wrong if name != "event_type" or flavour == "sqlite"]:
                faulty.append((facts.instance_id, second.event_data, facts.fault.observed))
    assert len(faulty) > 500
    assert [one for one in faulty if (one[0], 2) not in suspects] == []
