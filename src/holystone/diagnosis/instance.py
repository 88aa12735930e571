"""One instance whole: its facts, what they come to, and the rows that they are of."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from holystone.diagnosis import extension, model
from holystone.diagnosis.causes import causes
from holystone.diagnosis.conclusion import BLOCKED, ORPHANED, STUCK, UNKNOWN, UNREADABLE, conclusion
from holystone.diagnosis.facts import MOST, NEVER, Facts, FactsReader, Queued
from holystone.diagnosis.odd_values import as_number, as_text
from holystone.diagnosis.short_history import ShortEvent, ShortReader
from holystone.diagnosis.suggestions import close_ids
from holystone.duroxide.event import COMMON
from holystone.duroxide.tables import VERSION_COLUMNS, executions, instances, kv_delta, kv_store
from holystone.errors import UnknownInstanceError
from holystone.printable import shown
from holystone.scan.reader import Reader
from holystone.store.open_store import OpenStore

DEEPEST = 50
"""How far a diagnosis follows children that wait for children."""
FOLLOWED = 3
"""Children that are followed beside those that it takes to know that one goes on."""
NEVER_GOES_ON = (STUCK, BLOCKED, UNREADABLE, ORPHANED)
EVENTS = 20
"""Events that are listed unless somebody says how many."""


def diagnose(store: OpenStore, instance_id: str, events: int = EVENTS) -> model.Diagnosis:
    """Return the diagnosis of an instance, with the last `events` of its current execution.

    One snapshot, which only reads. UnknownInstanceError where there is nothing of such an instance, with the ids that
    are close to it; StoreUnavailableError where the store cannot be read. What a role may not see is in `unseen`.
    """
    with store.snapshot() as connection:
        return Instance(ShortReader(store, connection), instance_id).diagnosis(events)


class Instance:
    """One instance, looked at in a snapshot."""

    def __init__(self, reader: Reader, instance_id: str) -> None:
        self.reader = reader
        self._reading = FactsReader(reader, instance_id)
        self.facts: Facts = self._reading.read()
        self.causes = causes(self.facts)

    def diagnosis(self, events: int) -> model.Diagnosis:
        """Return all of it."""
        facts, part = self.facts, self._reading.part
        numbers = part("executions", self._number_of_executions, 0)
        none: tuple[list[model.Relative], int] = ([], 0)
        children, number_of_children = part("children", self._children, none)
        no_keys: list[model.Key] = []
        keys = part("kv_store", self._keys, no_keys)
        df = part("df.instances", lambda: extension.of_instance(self.reader, facts.instance_id), None)
        if not (self._is_there or numbers or keys or df or facts.unread):
            raise self._unknown()
        self._follow_children()
        come_to = conclusion(facts, self.causes)
        history = () if facts.history is None else facts.history.rows
        return model.Diagnosis(
            schema=1,
            target=str(self.reader.store.target),
            store_schema=self.reader.store.target.schema,
            flavour=self.reader.flavour.name,
            instance_id=facts.instance_id,
            now_ms=facts.now_ms,
            state=come_to.state,
            sentence=come_to.sentence,
            notes=list(come_to.notes),
            causes=self.causes,
            unseen=[model.Unseen(one.what, one.reason, one.next_step) for one in facts.unread],
            instance=self._instance(),
            parent=None if facts.parent is None else part("parent", self._parent, None),
            lock=self._lock(),
            counts=model.Counts(
                executions=numbers,
                events=len(history),
                messages=len(facts.messages),
                activities=len(facts.activities),
                children=number_of_children,
                keys=len(keys),
            ),
            executions=part("executions", self._executions, []),
            events=[_event(row) for row in history[max(0, len(history) - events) :]],
            messages=[_message(one) for one in facts.messages[-MOST:]],
            activities=[_activity(one, facts.now_ms) for one in facts.activities[-MOST:]],
            sessions=[
                model.Session(
                    session_id=row["session_id"],
                    worker_id=str(row["worker_id"]),
                    locked_until_ms=as_number(row["locked_until"]),
                    last_activity_ms=as_number(row["last_activity_at"]),
                )
                for row in facts.sessions.values()
            ],
            children=children,
            keys=keys[-MOST:],
            pg_durable=df,
        )

    @property
    def _is_there(self) -> bool:
        facts = self.facts
        rows = facts.history.rows if facts.history is not None else ()
        return bool(facts.row or rows or facts.messages or facts.activities or facts.lock)

    def _unknown(self) -> UnknownInstanceError:
        close = close_ids(self.reader, self.facts.instance_id)
        meant = f" Did you mean {', '.join(map(shown, close))}?" if close else ""
        return UnknownInstanceError(
            f"{self.reader.store.target} has no instance {self.facts.instance_id!r}.{meant}",
            "`holystone executions list TARGET` shows what there is.",
        )

    def _follow_children(self, depth: int = 0) -> None:
        """Say of children that are waited for what they wait for themselves: of the first ones, and until one goes on.

        What is deeper than DEEPEST may go on, for all that is known then.
        """
        waits_for = (cause for cause in self.causes if cause.kind == "child" and cause.child is not None)
        goes_on = False
        for number, cause in enumerate(waits_for):
            if goes_on and number >= FOLLOWED:
                break
            assert cause.child is not None
            if depth >= DEEPEST:
                cause.wakes = None
                continue
            child = Instance(self.reader, cause.child)
            child._follow_children(depth + 1)
            come_to = conclusion(child.facts, child.causes)
            cause.sentence = f"{cause.sentence} The child: {come_to.sentence}"
            if cause.wakes and come_to.state in NEVER_GOES_ON:
                cause.wakes = False
            elif cause.wakes and come_to.state == UNKNOWN:
                cause.wakes = None
            goes_on = goes_on or cause.wakes is True

    def _instance(self) -> model.Instance | None:
        row = self.facts.row
        if row is None:
            return None
        to_ms = self.reader.flavour.to_ms
        return model.Instance(
            orchestration_name=as_text(row["orchestration_name"]),
            orchestration_version=as_text(row["orchestration_version"]),
            current_execution_id=as_number(row["current_execution_id"]),
            created_ms=to_ms(row["created_at"]),
            updated_ms=to_ms(row["updated_at"]),
            custom_status=as_text(row["custom_status"]),
        )

    def _lock(self) -> model.Lock | None:
        lock = self.facts.lock
        if lock is None:
            return None
        return model.Lock(
            locked_until_ms=as_number(lock["locked_until"]),
            locked_at_ms=as_number(lock["locked_at"]),
            is_held=self.facts.is_in_turn,
        )

    def _number_of_executions(self) -> int:
        count = select(func.count()).select_from(executions).where(executions.c.instance_id == self.facts.instance_id)
        return int(self.reader.connection.execute(count).scalar_one())

    def _executions(self) -> list[model.Execution]:
        """Return the last executions, of which the current one has its history beside it."""
        rows = self._reading.rows(executions).order_by(executions.c.execution_id.desc()).limit(MOST)
        return [self._execution(row._asdict()) for row in reversed(self.reader.connection.execute(rows).all())]

    def _execution(self, row: Mapping[str, Any]) -> model.Execution:
        facts, to_ms = self.facts, self.reader.flavour.to_ms
        told = None
        if row["execution_id"] == facts.execution_id and facts.history and facts.history.outcome:
            told = facts.history.outcome.status
        version = [row[name] for name in VERSION_COLUMNS]
        return model.Execution(
            execution_id=as_number(row["execution_id"]),
            status=as_text(row["status"]),
            status_of_history=told,
            output=as_text(row["output"]),
            started_ms=to_ms(row["started_at"]),
            completed_ms=to_ms(row["completed_at"]),
            engine_version=None if None in version else ".".join(map(str, version)),
        )

    def _children(self) -> tuple[list[model.Relative], int]:
        """Return the first of the children by their rows, and how many there are."""
        if not self.reader.flavour.has(instances.c.parent_instance_id):
            return [], 0
        of_this = instances.c.parent_instance_id == self.facts.instance_id
        number = self.reader.connection.execute(select(func.count()).select_from(instances).where(of_this)).scalar_one()
        found = select(instances.c.instance_id).where(of_this).order_by(instances.c.instance_id).limit(MOST)
        ids = self.reader.connection.execute(found).scalars().all()
        return [self._relative(one) for one in ids], int(number)

    def _parent(self) -> model.Relative:
        assert self.facts.parent is not None
        return self._relative(self.facts.parent)

    def _relative(self, instance_id: str) -> model.Relative:
        """Return what the row of another instance says of it."""
        status = (
            select(executions.c.status)
            .select_from(instances.join(executions, executions.c.instance_id == instances.c.instance_id))
            .where(
                instances.c.instance_id == instance_id,
                executions.c.execution_id == instances.c.current_execution_id,
            )
        )
        found = self.reader.connection.execute(status).scalar_one_or_none()
        sentence = next((one.sentence for one in self.causes if one.child == instance_id), None)
        return model.Relative(instance_id=str(instance_id), status=as_text(found), sentence=sentence)

    def _keys(self) -> list[model.Key]:
        """Return the keys as the current execution sees them: those of kv_delta in place of those of kv_store."""
        found: dict[str, model.Key] = {}
        for table in (kv_store, kv_delta):
            if table.name not in self.reader.flavour.stored:
                continue
            for row in self.reader.connection.execute(self._reading.rows(table).order_by(table.c.key)):
                key = str(row.key)
                updated = row.last_updated_at_ms if isinstance(row.last_updated_at_ms, int) else None
                found[key] = model.Key(key=key, value=as_text(row.value), updated_ms=updated or None)
        return [found[key] for key in sorted(found)]


def _event(row: ShortEvent) -> model.HistoryEvent:
    fields = row.event or {}
    return model.HistoryEvent(
        event_id=row.event_id,
        type=fields.get("type"),
        source_event_id=fields.get("source_event_id"),
        timestamp_ms=fields.get("timestamp_ms"),
        payload={name: value for name, value in fields.items() if name not in COMMON},
        fault=row.fault,
    )


def _message(one: Queued) -> model.Message:
    return model.Message(
        row_id=one.row_id,
        kind=one.kind,
        fault=one.fault,
        due_ms=None if one.due_ms >= NEVER else one.due_ms,
        created_ms=one.created_ms,
        attempts=as_number(one.attempts),
        fields={} if one.item is None else dict(one.item.fields),
    )


def _activity(one: Queued, now_ms: int) -> model.Activity:
    fields = {} if one.item is None else one.item.fields
    lease = one.locked_until_ms
    return model.Activity(
        row_id=one.row_id,
        name=fields.get("name"),
        execution_id=fields.get("execution_id"),
        event_id=fields.get("id"),
        fault=one.fault,
        due_ms=None if one.due_ms >= NEVER else one.due_ms,
        created_ms=one.created_ms,
        locked_until_ms=None if lease is None or lease >= NEVER else lease,
        is_locked=lease is not None and lease > now_ms,
        attempts=as_number(one.attempts),
        session_id=as_text(one.session_id),
        tag=as_text(one.tag),
    )
