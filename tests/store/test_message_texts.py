"""What SQL says of a message's text is never more than what reading it says."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Table,
    Text,
    create_engine,
    insert,
    select,
)

from conftest import FLAVOURS, Flavour, MakePlace
from engine.test_decoding_messages import damages
from holystone.duroxide.error_details import DETAILS
from holystone.duroxide.fields import NUMBER, PAIRS, TEXT
from holystone.duroxide.work_item import WORK_ITEM_SHAPES
from holystone.errors import RecordError
from holystone.flavours.messages import Messages
from holystone.flavours.postgresql.messages import PostgreSQLMessages
from holystone.flavours.sqlite.messages import SQLiteMessages
from holystone.store import WorkItem

AWKWARD = 'tab\t quote" back\\slash \u0001 é 😀 \u2028 </script> \x7f "instance":"no" {"type":1}'
SAMPLES = {
    TEXT.means: AWKWARD,
    NUMBER.means: 7,
    PAIRS.means: [["letters", AWKWARD]],
    DETAILS.means: {"Application": {"kind": "ActivityFailed", "message": AWKWARD, "retryable": False}},
}
PIECES = ["", '"', "\\", "\\u12", "\\ud83e", "\n", "{", "}", "[]", ",", ":", "null", "-1", "1.5", "1e3", "01", "x", " "]


def items() -> list[WorkItem]:
    """A message of each kind with every field, and one with those alone that it needs."""
    made = []
    for kind, shape in WORK_ITEM_SHAPES.items():
        made.append(WorkItem.new(kind, **{name: SAMPLES[field.means] for name, field in shape.items()}))
        needed = {name: SAMPLES[field.means] for name, field in shape.items() if field.required}
        made.append(WorkItem.new(kind, **needed))
    return made


def printed(item: WorkItem) -> str:
    """The message as PostgreSQL prints JSONB."""
    ordered = {name: item.fields[name] for name in sorted(item.fields, key=lambda name: (len(name), name))}
    return json.dumps({item.kind: ordered}, ensure_ascii=False)


def spoilt(text: str, chance: random.Random) -> str:
    """The text with a little of it replaced."""
    start = chance.randrange(len(text))
    return text[:start] + chance.choice(PIECES) + text[start + chance.choice([0, 1, 1, 2, 5]) :]


def is_readable(text: str, told: Messages) -> bool:
    try:
        return all(told.read(text, for_worker=for_worker).unknown is None for for_worker in (True, False))
    except RecordError:
        return False


messages = Table(
    "message",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("item", Text),
    Column("text", Text),
    Column("number", BigInteger),
)


@pytest.fixture(params=FLAVOURS)
def sql(request: pytest.FixtureRequest) -> Iterator[tuple[Connection, Messages]]:
    """A connection with an empty table of messages, and what its flavour can tell of them."""
    flavour: Flavour = request.param
    url = "sqlite://"
    told: Messages = SQLiteMessages()
    if flavour == "postgresql":
        make: MakePlace = request.getfixturevalue("postgresql_schema")
        url, told = make().target.replace("postgresql:", "postgresql+psycopg:", 1), PostgreSQLMessages()
    engine = create_engine(url)
    with engine.connect() as connection:
        messages.metadata.create_all(connection)
        yield connection, told
    engine.dispose()


def fill(connection: Connection, texts: Sequence[str], text: str | None = None, number: int | None = None) -> None:
    rows = [{"id": n, "item": item, "text": text, "number": number} for n, item in enumerate(texts)]
    connection.execute(insert(messages), rows)


def those(connection: Connection, condition: ColumnElement[bool]) -> set[str]:
    return set(connection.execute(select(messages.c.item).where(condition)).scalars())


def test_every_message_of_the_engine_is_read_at_first_sight(sql: tuple[Connection, Messages]) -> None:
    """But for details of failures, lists, and escapes, which need a reader; on SQLite all that is not ASCII, too."""
    connection, told = sql
    whole = [item for item in items() if "details" not in item.fields]
    plain = [item.to_json().replace("\\u0001", "").replace("\\t", "").replace("\x7f", "") for item in whole]
    plain = [text for text in plain if "[[" not in text]
    if isinstance(told, PostgreSQLMessages):
        plain += [printed(WorkItem.from_json(text)) for text in plain]
    else:
        plain = [text.encode("ascii", "ignore").decode() for text in plain]
    fill(connection, plain)
    assert those(connection, told.is_readable(messages.c.item, list(WORK_ITEM_SHAPES))) == set(plain)


def test_nothing_is_taken_for_readable_that_is_not(sql: tuple[Connection, Messages]) -> None:
    connection, told = sql
    chance = random.Random(20_251_010)
    texts = [text for item in items() for text in (item.to_json(), printed(item))]
    broken = {spoilt(text, chance) for text in texts for _ in range(150)} | set(texts) | {"", "null", "not JSON", "{}"}
    broken |= set(damages())
    # A NUL is nothing that PostgreSQL's text can hold.
    fill(connection, sorted(broken))
    readable = {text for text in broken if is_readable(text, told)}
    assert len(broken) - len(readable) > 1_000
    assert those(connection, told.is_readable(messages.c.item, list(WORK_ITEM_SHAPES))) <= readable


@pytest.mark.parametrize("value", [AWKWARD, "plain", "", 'end\\"'])
def test_text_of_a_field_is_recognised(sql: tuple[Connection, Messages], value: str) -> None:
    connection, told = sql
    same = WorkItem.new("ActivityExecute", instance=value, execution_id=1, id=2, name="A", input=AWKWARD, tag="gpu")
    other = WorkItem.new("ActivityExecute", instance=f"{value}x", execution_id=1, id=2, name="A", input=value)
    fill(connection, [same.to_json(), other.to_json()], text=value)
    assert those(connection, told.says(messages.c.item, "instance", messages.c.text)) == {same.to_json()}
    assert those(connection, told.says(messages.c.item, "tag", messages.c.text)) == set()


def test_number_of_a_field_is_recognised(sql: tuple[Connection, Messages]) -> None:
    connection, told = sql
    texts = [f'{{"TimerFired":{{"instance":"i","execution_id":{n},"id":{n},"fire_at_ms":1}}}}' for n in (1, 12, 2, 21)]
    fill(connection, [*texts, '{"TimerFired":{"instance":"\\"id\\":12,"}}', "not JSON"], number=12)
    for name in ("id", "execution_id"):
        assert those(connection, told.says(messages.c.item, name, messages.c.number)) == {texts[1]}
        assert those(connection, told.number(messages.c.item, "TimerFired", name) == messages.c.number) == {texts[1]}


def test_field_that_is_not_there_is_recognised(sql: tuple[Connection, Messages]) -> None:
    connection, told = sql
    bare, tagged = ('{"ActivityExecute":{"name":"A"}}', '{"ActivityExecute":{"name":"A","tag":"gpu"}}')
    fill(connection, [bare, tagged])
    assert those(connection, told.says(messages.c.item, "tag", messages.c.text)) == {bare}
