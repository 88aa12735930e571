"""Key state facts: all keys of an instance, beside what its executions wrote, one after the other.

The rules of the engine are in `holystone.duroxide.kv`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Table,
    Text,
    and_,
    cast,
    func,
    literal,
    null,
    select,
    union,
    union_all,
)

from holystone.duroxide.engine_version import engine_version
from holystone.duroxide.event_types import POISON_EVENT_ID, RUNNING, TERMINAL
from holystone.duroxide.kv import KEY_EVENTS, Entries, Entry, merged, written
from holystone.duroxide.release import Rule
from holystone.duroxide.releases import writes
from holystone.duroxide.tables import executions, history, instances, kv_delta, kv_store
from holystone.flavours import Flavour
from holystone.scan.compared import Compared
from holystone.scan.long_texts import unless_very_long
from holystone.scan.pushdown import restrict_to_instances
from holystone.scan.reader import EventRow, Reader
from holystone.scan.relation import Conditions, Key, Relation, Suspect
from holystone.scan.relations.decode import read_events
from holystone.scan.relations.kv_diff import Columns, Mismatch, leftover, mismatches, rows_of
from holystone.scan.row_facts import RowFacts

# What a row of the source is about, in the order in which they come.
_INSTANCE, _STORED, _CHANGED, _EVENT = range(4)


class KvReplaySource:
    """All that is known of the keys of each instance that has or had any: several rows for each."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        events = _of(within, history, flavour.type_begins(history, "KeyValue")).cte("key_event")
        kept = [(_STORED, kv_store), (_CHANGED, kv_delta)]
        keys = [
            (what, _of(within, table, of=flavour.columns_of(table)).subquery(table.name))
            for what, table in kept
            if flavour.has_table(table)  # kv_delta came two versions after kv_store
        ]
        having = union(*(select(rows.c.instance_id) for rows in (events, *(rows for _, rows in keys))))
        current = and_(
            executions.c.instance_id == instances.c.instance_id,
            executions.c.execution_id == instances.c.current_execution_id,
        )
        of_instance = _part(
            _INSTANCE,
            instances.c,
            instances.c.current_execution_id,
            executions.c.status,
            unless_very_long(flavour, _last_event()),
        )

        def value_of(what: int, rows: Any) -> ColumnElement[Any]:
            # Without a value, a row of changes says that the key is gone.
            return unless_very_long(flavour, rows.c.value) if what == _STORED else rows.c.value

        parts = [
            of_instance.join_from(instances, executions, current).where(instances.c.instance_id.in_(having)),
            *(_part(what, rows.c, rows.c.last_updated_at_ms, rows.c.key, value_of(what, rows)) for what, rows in keys),
            _part(
                _EVENT,
                events.c,
                events.c.execution_id,
                null(),
                unless_very_long(flavour, events.c.event_data),
                events.c.event_id,
            ),
        ]
        self.rows: FromClause = union_all(*parts).subquery("known")
        self.key = (self.rows.c.instance_id, self.rows.c.what, self.rows.c.number, self.rows.c.event_id)

    def output(self) -> Sequence[ColumnElement[Any]]:
        return list(self.rows.c)


def _of(
    within: Conditions, table: Table, *conditions: ColumnElement[bool], of: Sequence[ColumnElement[Any]] | None = None
) -> Select[Any]:
    columns = [column for column in (table.c if of is None else of) if column.name not in ("event_type", "created_at")]
    return select(*columns).where(
        *conditions, *restrict_to_instances(table.c.instance_id, instances.c.instance_id, within)
    )


def _part(what: int, rows: Any, number: Any, name: Any, text: Any, event_id: Any = None) -> Select[Any]:
    return select(
        rows.instance_id,
        literal(what).label("what"),
        number.label("number"),
        cast(name, Text).label("name"),
        text.label("text"),
        cast(event_id, BigInteger).label("event_id"),
    )


def _last_event() -> ColumnElement[str]:
    of_current = and_(
        history.c.instance_id == instances.c.instance_id, history.c.execution_id == instances.c.current_execution_id
    )
    return select(history.c.event_data).where(of_current).order_by(history.c.event_id.desc()).limit(1).scalar_subquery()


class KvReplayFacts(RowFacts, frozen=True):
    """All keys of one instance: the rows that are not what its executions wrote."""

    flavour: Flavour
    instance_id: str
    mismatches: Sequence[Mismatch]

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id}

    @property
    def kv_store(self) -> Compared[Mapping[str, Columns | None]]:
        return self._of_table(kv_store)

    @property
    def kv_delta(self) -> Compared[Mapping[str, Columns | None]]:
        return self._of_table(kv_delta)

    def _of_table(self, table: Table) -> Compared[Mapping[str, Columns | None]]:
        wrong = [one for one in self.mismatches if one.table == table.name]
        observed = {_name(one.key): self._shown(one.row) for one in wrong}
        expected = {_name(one.key): self._shown(one.wanted) for one in wrong}
        return Compared(table.name, observed, expected, decided=bool(wrong))

    def _shown(self, columns: Columns | None) -> Columns | None:
        if columns is None:
            return None
        return {
            name: self.flavour.to_json(columns[name]) for name in ("value", "last_updated_at_ms") if name in columns
        }


def _name(key: Any) -> str:
    return key if isinstance(key, str) else repr(key)


class KvReplay(Relation[KvReplaySource, KvReplayFacts]):
    """The keys of each instance, as its history makes them."""

    name = "replayed_keys"
    reads_keys = True
    table = instances
    needs: ClassVar = {"kv_store": ("key",)}

    def source(self, flavour: Flavour, within: Conditions) -> KvReplaySource:
        return KvReplaySource(flavour, within)

    def key_ranges(self, reader: Reader, within: Conditions, rows_per_range: int) -> Iterator[Conditions]:
        """Yield no condition: the events of keys are few among all, and one scan of the history finds them."""
        yield []

    def suspects(
        self, reader: Reader, predicates: Sequence[Any], within: Conditions
    ) -> Iterator[Suspect[KvReplayFacts]]:
        """Yield the instances whose rows a quick replay does not bear out, for all predicates alike.

        A replay is no condition of SQL, so none is asked.
        """
        statement, values = self.kept(reader, within, _known)
        with reader.connection.execute(statement, values) as rows:
            for _, of_instance in groupby(rows, key=lambda row: row.instance_id):
                known = list(of_instance)
                if not _is_borne_out(known):
                    yield [True] * len(predicates), self.look(reader, known[0])

    def facts(self, reader: Reader, row: Any) -> KvReplayFacts:
        return KvReplayFacts(reader.flavour, row.instance_id, _mismatches(reader, row.instance_id))


KV_REPLAY = KvReplay()


def _known(flavour: Flavour, within: Conditions) -> Select[Any]:
    source = KvReplaySource(flavour, within)
    return select(*source.output()).order_by(*source.key).execution_options(yield_per=500)


def _is_borne_out(known: Sequence[Any]) -> bool:
    """Return whether the rows surely are what the events make of them.

    Of keys without an instance nothing is said. Where it has ended by its status and not by its last event, an earlier
    event may have ended it, and the facts have to tell; by its status alone no key is merged.
    """
    instance = known[0]
    if instance.what != _INSTANCE:
        return True
    if any(row.text is None for row in known if row.what in (_INSTANCE, _STORED, _EVENT)):
        return False  # a very long one, which the facts read
    try:
        ended = json.loads(instance.text)["type"] in TERMINAL
    except (KeyError, TypeError, ValueError):
        return False
    if not ended and instance.name != RUNNING:
        return False
    stored, changed = (
        {row.name: Entry(row.text, row.number) for row in known if row.what == what} for what in (_STORED, _CHANGED)
    )
    store: Entries = {}
    delta: Entries = {}
    for execution_id, rows in groupby((row for row in known if row.what == _EVENT), key=lambda row: row.number):
        try:
            delta = written(json.loads(row.text) for row in rows if "KeyValue" in row.text).delta(store)
        except (KeyError, TypeError, ValueError, AttributeError):
            return False
        if ended or execution_id < instance.number:
            store, delta = merged(store, delta), {}
    return stored == store and _timeless(changed) == _timeless(delta)


def _timeless(entries: Entries) -> dict[str, Entry | None]:
    """Return the entries, those without value less their time: the engine takes the ack's, which no event tells."""
    return {key: None if entry.value is None else entry for key, entry in entries.items()}


def _mismatches(reader: Reader, instance_id: str) -> Sequence[Mismatch]:
    """Return the rows that are not what the executions wrote; none where not all that they wrote is known."""
    replayed = _replay(reader, instance_id)
    if replayed is None:
        return ()
    stored, changed = (rows_of(reader, table, instance_id) for table in (kv_store, kv_delta))
    if changed and not replayed.delta:
        ended, should_be_merged = leftover(reader, instance_id, _current(reader, instance_id))
        if ended and should_be_merged:
            return ()  # there is more to come into kv_store, and another check sees to it
    return [
        mismatch
        for table, rows, entries in ((kv_store, stored, replayed.store), (kv_delta, changed, replayed.delta))
        for mismatch in mismatches(reader, table, rows, entries, replayed.written_by)
        if replayed.is_whole or mismatch.key in replayed.written_by
    ]


class _Replayed(NamedTuple):
    """What kv_store and kv_delta should hold, and which execution wrote a key last.

    Where it is not whole, an execution that is pruned may have written keys that are not named in it.
    """

    store: Entries
    delta: Entries
    written_by: Mapping[str, int]
    is_whole: bool


def _replay(reader: Reader, instance_id: str) -> _Replayed | None:
    """Return what all executions together wrote, from the first one that is not pruned.

    None where a later one is gone, or an event of one, or cannot be read.
    """
    store: Entries = {}
    delta: Entries = {}
    written_by: dict[str, int] = {}
    current = _current(reader, instance_id)
    oldest = _oldest(reader, instance_id) if current else None
    if oldest is None:
        return None
    for execution_id in range(oldest, current + 1):
        events = _whole(reader.history(instance_id, execution_id))
        if events is None:
            return None
        wrote = written(events)
        delta = wrote.delta(store)
        written_by |= dict.fromkeys(wrote.entries, execution_id)
        if any(event["type"] in TERMINAL for event in events):
            store, delta = merged(store, delta), {}
        elif execution_id < current or not all(map(_is_split, events)):
            return None
    return _Replayed(store, delta, written_by, is_whole=oldest == 1)


def _oldest(reader: Reader, instance_id: str) -> int | None:
    """Return the first execution that has a history; None where there is none, or SQLite keeps no number there."""
    oldest = select(func.min(history.c.execution_id)).where(history.c.instance_id == instance_id)
    found = reader.connection.execute(oldest).scalar_one()
    return found if isinstance(found, int) and found > 0 else None


def _current(reader: Reader, instance_id: str) -> int:
    """Return the current execution, 0 where it is not the newest one of the history."""
    newest = select(func.max(history.c.execution_id)).where(history.c.instance_id == instance_id).scalar_subquery()
    current = select(instances.c.current_execution_id).where(
        instances.c.instance_id == instance_id, instances.c.current_execution_id == newest
    )
    return reader.connection.execute(current).scalar_one_or_none() or 0


def _whole(rows: Sequence[EventRow]) -> Sequence[Mapping[str, Any]] | None:
    """Return the events of an execution, None where one is missing or cannot be read."""
    ids = [row.event_id for row in rows if row.event_id != POISON_EVENT_ID]
    return read_events(rows) if ids == list(range(1, len(ids) + 1)) else None


def _is_split(event: Mapping[str, Any]) -> bool:
    """Return whether the engine that wrote the event kept in kv_delta what a running execution wrote."""
    version = engine_version(event["duroxide_version"])
    return event["type"] not in KEY_EVENTS or (version is not None and Rule.keys_in_delta in writes(version).rules)
