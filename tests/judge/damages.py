"""Damages: whatever may be wrong with the rows of a store, drawn from what its columns and types can hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from judge.objects import objects
from judge.stores import KEYS, Row, Statement

Draw = Any
Rows = dict[str, list[Row]]


NOT_KNOWN = "not_known"
"""The name of a field that no engine has."""


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong, as the statements that make it so; `says` tells it in a line."""

    kind: str
    table: str
    instance: str | None
    field: str | None
    says: str
    statements: tuple[Statement, ...]

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "statements": [[text, list(values)] for text, values in self.statements]}


STATUSES = ["Running", "Completed", "Failed", "ContinuedAsNew", "Suspended", "completed", ""]
NUMBERS = [0, -1, 1, 2, 3, 7, 10, 11, 99999, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]
TEXTS = ["", "x", " ", "\u202e", "NULL", "é", "{}", "null", '"', "live-event", "done-work", "nobody", "x" * 3000]
MOMENTS = [0, 1, -1, 946_684_800_000, 4_102_444_800_000, 253_402_300_800_000, 2**63 - 1]
DATES = ["2026-11-01 00:00:00", "1970-01-01 00:00:00", "9999-12-31 23:59:59", "2026-11-26T10:00:00Z", "not a date", ""]
MINUTES = [-86_400_000, -60_000, -1, 1, 60_000, 3_600_000, 86_400_000 * 30]


@dataclass(frozen=True)
class Literal:
    """A value that stands in the statement, as no driver can bind it."""

    text: str


BLOBS = [Literal("x''"), Literal("x'00ff'"), Literal("CAST('Running' AS BLOB)")]
TIMES_OF_POSTGRESQL = [
    Literal(text)
    for text in (
        "'infinity'::timestamptz",
        "'-infinity'::timestamptz",
        "'1970-01-01'::timestamptz",
        "'2999-01-01'::timestamptz",
        "now() + interval '1 hour'",
        "now() - interval '30 days'",
        "'294000-01-01'::timestamptz",
    )
]
TIMES = {"started_at", "completed_at", "created_at", "updated_at", "visible_at", "locked_until", "locked_at"}
TIMES |= {"last_activity_at", "last_updated_at_ms"}


def key_of(table: str, row: Row) -> tuple[str, list[Any]]:
    """The condition that only this row meets, and its values."""
    columns = KEYS[table]
    return " AND ".join(f"{column} = ?" for column in columns), [row[column] for column in columns]


def instance_of(table: str, row: Row) -> str | None:
    found = row.get("instance_id")
    return found if isinstance(found, str) else None


def setting(table: str, row: Row, column: str, value: Any) -> Statement:
    """The statement that gives a column of a row a value."""
    where, keys = key_of(table, row)
    if isinstance(value, Literal):
        return f"UPDATE {table} SET {column} = {value.text} WHERE {where}", tuple(keys)
    return f"UPDATE {table} SET {column} = ? WHERE {where}", (value, *keys)


def adding(table: str, row: Row, **other: Any) -> Statement:
    """The statement that adds a row like this one, with some columns otherwise; queues number their rows themselves."""
    values = {**row, **other}
    if KEYS[table] == ("id",):
        values.pop("id")
    places = ", ".join("?" * len(values))
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", tuple(values.values())


@st.composite
def value(draw: Draw, flavour: str, rows: Rows, only: str | None) -> Damage:
    """Any column of any row, with any value that it can hold."""
    table, row = draw(a_row(rows, only))
    column = draw(st.sampled_from(sorted(row)))
    old = row[column]
    others = {repr(one[column]): one[column] for one in rows[table] if one[column] != old}
    pools: list[st.SearchStrategy[Any]] = [st.just(None), st.sampled_from(TEXTS), st.sampled_from(NUMBERS)]
    if others:
        pools += [st.sampled_from(list(others.values()))] * 3
    if column == "status":
        pools += [st.sampled_from(STATUSES)] * 5
    if column in TIMES:
        moments: list[list[Any]] = [MOMENTS, DATES] if flavour == "sqlite" else [TIMES_OF_POSTGRESQL]
        pools += [st.sampled_from(pool) for pool in moments] * 2
    if isinstance(old, int):
        pools += [st.sampled_from([old + 1, old - 1, *(old + ms for ms in MINUTES)])] * 3
    if flavour == "sqlite":
        pools.append(st.sampled_from([*BLOBS, 1.5, "12", float("inf")]))
    new = draw(st.one_of(pools).filter(lambda one: repr(one) != repr(old)))
    shown = new.text if isinstance(new, Literal) else repr(new)[:60]
    says = f"{table}.{column} of {_named(table, row)}: {repr(old)[:60]} -> {shown}"
    return Damage("value", table, instance_of(table, row), column, says, (setting(table, row, column, new),))


JSON_VALUES: list[Any] = [None, True, 0, -1, 1.5, 2**31, 2**63, 2**64, "", "x", "1", [], {}, [[]], {"x": 1}]


@st.composite
def document(draw: Draw, flavour: str, rows: Rows, only: str | None) -> Damage:
    """The JSON of an event or a message, with a field or the whole text otherwise."""
    holding = {"history": "event_data", "orchestrator_queue": "work_item", "worker_queue": "work_item"}
    table, row = draw(a_row({table: rows[table] for table in holding}, only))
    column = holding[table]
    text = row[column]
    others = [one[column] for one in rows[table] if one[column] != text]
    same = [one[column] for one in rows[table] if one[column] != text and one.get("instance_id") == row["instance_id"]]
    how = draw(st.sampled_from(["drop", "set", "set", "set", "take", "double", "extra", "kind", "text", "swap"]))
    whole = json.loads(text)
    variant = None if table == "history" else next(iter(whole))
    inner = whole if variant is None else whole[variant]
    name = draw(st.sampled_from(sorted(inner))) if isinstance(inner, dict) and inner else None
    changed: str
    if name is None or how == "text":
        changed = draw(st.sampled_from(ill_formed(text)))
        name, how = None, "text"
    elif how == "swap":
        changed = draw(st.sampled_from(same or others or [text]))
    else:
        taken = draw(st.sampled_from([inner_of(json.loads(one)) for one in (same or others or [text])]))
        new = draw(st.sampled_from(JSON_VALUES))
        if how == "kind":
            name = "type" if variant is None else variant
            kinds = sorted({kind_of(json.loads(one)) for one in others} | {"FromALaterEngine", "SystemCall"})
            changed = rename(whole, draw(st.sampled_from(kinds)), variant)
        else:
            changed = edited(whole, inner, name, how, new, taken)
            if how == "double":
                changed = (
                    changed[:-1] + f",{json.dumps(name)}:{json.dumps(new)}}}"
                    if variant is None
                    else (changed[:-2] + f",{json.dumps(name)}:{json.dumps(new)}}}}}")
                )
    says = f"{table}.{column} of {_named(table, row)}: {how} {name or ''}: {changed[:200]}"
    return Damage(f"json {how}", table, instance_of(table, row), name, says, (setting(table, row, column, changed),))


def inner_of(whole: Any) -> dict[str, Any]:
    """The fields of an event or of a message."""
    if "event_id" in whole:
        return dict(whole)
    found = next(iter(whole.values()))
    return dict(found) if isinstance(found, dict) else {}


def kind_of(whole: Any) -> str:
    return str(whole["type"]) if "event_id" in whole else str(next(iter(whole)))


def rename(whole: Any, kind: str, variant: str | None) -> str:
    changed = {**whole, "type": kind} if variant is None else {kind: whole[variant]}
    return json.dumps(changed, separators=(",", ":"), ensure_ascii=False)


def edited(whole: Any, inner: dict[str, Any], name: str, how: str, new: Any, taken: dict[str, Any]) -> str:
    """The document with one field dropped, set, or taken from another document."""
    changed = dict(inner)
    if how == "drop":
        del changed[name]
    elif how == "set":
        changed[name] = new
    elif how == "take":
        changed[name] = taken.get(name, new)
    elif how == "extra":
        changed[NOT_KNOWN] = new
    rest = changed if inner is whole else {next(iter(whole)): changed}
    return json.dumps(rest, separators=(",", ":"), ensure_ascii=False)


def ill_formed(text: str) -> list[str]:
    """Texts that are no document of the engine's, or that only a lax reader takes for one."""
    deep = "[" * 200 + "]" * 200
    return [
        text[: len(text) // 2],
        text[:-1],
        text + "}",
        text + text,
        "",
        "{}",
        "null",
        "not JSON",
        "\ufeff" + text,
        " " + text + "\n",
        text.replace('":', '" : '),
        text.replace('"', "'"),
        text[:-1] + ',"deep":' + deep + "}",
        text.replace('":"', '":"\\ud83e', 1),
        text.replace("_id", "_Id"),
    ]


@st.composite
def row(draw: Draw, flavour: str, rows: Rows, only: str | None) -> Damage:
    """Rows that are removed, added, doubled or moved to another instance or execution."""
    how = draw(st.sampled_from(["remove", "remove", "add", "double", "move", "remove some", "move some", "steal"]))
    table, found = draw(a_row(rows, only))
    instance = instance_of(table, found)
    where, keys = key_of(table, found)
    named = _named(table, found)

    def damage(says: str, *statements: Statement, kind: str = how) -> Damage:
        return Damage(f"row {kind}", table, instance, None, f"{table}: {says}", statements)

    remove = (f"DELETE FROM {table} WHERE {where}", tuple(keys))
    instances = [one["instance_id"] for one in rows["instances"] if one["instance_id"] != instance]
    other = draw(st.sampled_from([*instances, "nobody"]))
    number = draw(st.sampled_from([-1, 1, 1, 2, 5]))
    if how == "remove" or instance is None:
        return damage(f"{named} removed", remove, kind="remove")
    last = KEYS[table][-1]
    if how in ("add", "double"):
        if last == "id":
            return damage(f"{named} doubled", adding(table, found), kind="double")
        if isinstance(found[last], int):
            return damage(f"{named} also as {last} {number:+}", adding(table, found, **{last: found[last] + number}))
        return damage(f"{named} also under {other}", adding(table, found, instance_id=other))
    if how == "steal":
        return damage(f"{named} also under {other}", adding(table, found, instance_id=other), kind="add")
    if how == "move":
        if isinstance(found[last], int) and last != "id" and draw(st.booleans()):
            return damage(f"{named}: {last} {number:+}", setting(table, found, last, found[last] + number))
        return damage(f"{named} moved to {other}", setting(table, found, "instance_id", other))
    many = "instance_id = ?"
    values: list[Any] = [instance]
    if "execution_id" in found and draw(st.booleans()):
        many, values = f"{many} AND execution_id = ?", [*values, found["execution_id"]]
    if how == "remove some" and table == "history" and draw(st.booleans()):
        sign = draw(st.sampled_from([">=", "<="]))
        many, values = f"{many} AND event_id {sign} ?", [*values, found["event_id"]]
    what = f"those of {many.replace('?', '{!r}').format(*values)}"
    if how == "remove some":
        return damage(f"{what} removed", (f"DELETE FROM {table} WHERE {many}", tuple(values)))
    if "execution_id" in found and draw(st.booleans()):
        shifted = f"UPDATE {table} SET execution_id = execution_id + 10 WHERE {many}"
        return damage(f"{what} moved to execution + 10", (shifted, tuple(values)))
    return damage(f"{what} moved to {other}", (f"UPDATE {table} SET instance_id = ? WHERE {many}", (other, *values)))


@st.composite
def a_row(draw: Draw, rows: Rows, only: str | None) -> tuple[str, Row]:
    """A table that has rows, and one of them; of one instance only where one is named and the table has it."""
    of = {
        table: [one for one in found if only is None or one.get("instance_id") == only] for table, found in rows.items()
    }
    tables = [table for table in of if of[table]] or [table for table in rows if rows[table]]
    table = draw(st.sampled_from(tables))
    return table, draw(st.sampled_from(of[table] or rows[table]))


@st.composite
def whole_table(draw: Draw, flavour: str, rows: Rows, later: Rows) -> Damage:
    """One table as it was at another moment, as when only the others were restored; or empty."""
    table = draw(st.sampled_from(sorted(KEYS)))
    clear: Statement = (f"DELETE FROM {table}", ())
    if draw(st.integers(0, 3)) == 0:
        return Damage("table emptied", table, None, None, f"{table} emptied", (clear,))
    fill = [adding(table, one) for one in later[table]]
    return Damage("table of another time", table, None, None, f"{table} as it is later", (clear, *fill))


def damage(flavour: str, rows: Rows, later: Rows, only: str | None) -> st.SearchStrategy[Damage]:
    """Any damage; of one instance only where one is named."""
    some = [value(flavour, rows, only)] * 7 + [document(flavour, rows, only)] * 5 + [row(flavour, rows, only)] * 5
    if only is None:
        some += [objects(flavour, Damage)] * 3 + [whole_table(flavour, rows, later)]
    return st.sampled_from(range(len(some))).flatmap(lambda number: some[number])


@st.composite
def damages(draw: Draw, flavour: str, rows: Rows, later: Rows) -> tuple[Damage, ...]:
    """One, two or three damages at once; half the time those of a few are in the same instance."""
    number = draw(st.sampled_from([1, 1, 1, 2, 2, 3]))
    only = None
    if number > 1 and draw(st.booleans()):
        only = draw(st.sampled_from([one["instance_id"] for one in rows["instances"]]))
    return tuple(draw(damage(flavour, rows, later, only)) for _ in range(number))


def _named(table: str, row: Row) -> str:
    return "(" + ", ".join(str(row[column]) for column in KEYS[table]) + ")"


def statements(chosen: Sequence[Damage]) -> list[Statement]:
    """All statements of some damages, in their order."""
    return [statement for one in chosen for statement in one.statements]
