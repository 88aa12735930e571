"""What relations of pg_durable's tables have in common, and what they read of the engine's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, Text, bindparam, cast, func, literal, or_, select
from sqlalchemy.sql.selectable import LateralFromClause

from holystone.duroxide.event_types import FAILED
from holystone.duroxide.tables import history, instances, orchestrator_queue
from holystone.flavours import Flavour
from holystone.pg_durable.activities import Progress, is_usable, parsed, progress_of
from holystone.pg_durable.copy import Root
from holystone.scan.digest import digest_of
from holystone.scan.reader import EventRow, Reader
from holystone.scan.relation import Conditions, F, Predicate, Relation, S, Suspect
from holystone.scan.relations.decode import outcome_of, read_message
from holystone.store.open_store import OpenStore

POSTGRESQL = frozenset({"postgresql"})
"""For `flavours`: there is no pg_durable on any other."""
_BEGINNING = 1_000
"""Characters of an event in which its type is, and how it failed; a result that follows can be very long."""
RETENTION_DAYS = 30
"""How long pg_durable keeps what has ended, where no setting says."""


class OfExtension(Relation[S, F]):
    """A relation that looks at pg_durable's tables; its rows change in activities, and not with acks."""

    follows_acks: ClassVar[bool] = False

    hashes: ClassVar[bool] = False
    """Whether its statement joins or groups whole tables."""

    def suspects(self, reader: Reader, predicates: Sequence[Predicate], within: Conditions) -> Iterator[Suspect[F]]:
        if not self.hashes:
            yield from super().suspects(reader, predicates, within)
            return
        with reader.flavour.hashing(reader.connection):
            yield from super().suspects(reader, predicates, within)

    def why_not(self, store: OpenStore) -> str | None:
        return store.no_extension


def last_event(of: ColumnElement[str], *where: ColumnElement[bool]) -> LateralFromClause:
    """Return the last event of an instance's newest execution, with the beginning of its text as `beginning`.

    `where` are conditions on other tables on which it is looked up at all.
    """
    return (
        select(
            history.c.execution_id, history.c.event_id, func.left(history.c.event_data, _BEGINNING).label("beginning")
        )
        .where(history.c.instance_id == cast(of, Text), *where)
        .order_by(history.c.execution_id.desc(), history.c.event_id.desc())
        .limit(1)
        .lateral("last_event")
    )


def says(beginning: ColumnElement[str], word: str) -> ColumnElement[bool]:
    """Return whether a word stands in quotes in the beginning of an event."""
    return func.strpos(beginning, literal(f'"{word}"')) > 0


def root_of(reader: Reader, instance_id: str, execution_id: int | None) -> tuple[Root | None, str | None]:
    """Return what the engine has of an instance, by its newest execution, and the digest of the last event.

    None for the first where the history cannot be read, and nothing can be said.
    """
    start, cancel = _queued(reader, instance_id)
    if execution_id is None:
        return Root(None, Progress(), start_queued=start, cancel_queued=cancel), None
    rows = reader.history(instance_id, execution_id)
    outcome = outcome_of(rows)
    digest = digest_of(rows[-1].event_data) if rows else None
    if outcome is None:
        return None, digest
    events = [row.event for row in rows if row.event is not None]
    cancelled, kind = _how_failed(rows) if outcome.status == FAILED else (False, None)
    root = Root(outcome.status, progress_of(events), outcome.ended_at_ms, cancelled, kind, start, cancel)
    return root, digest


def _queued(reader: Reader, instance_id: str) -> tuple[bool, bool]:
    """Return whether messages are on their way that start the instance, or cancel it."""
    queue = orchestrator_queue.c
    items = reader.connection.execute(select(queue.work_item).where(queue.instance_id == instance_id)).scalars()
    kinds = {item.kind for text in items if (item := read_message(text)) is not None}
    return "StartOrchestration" in kinds, "CancelInstance" in kinds


def _how_failed(rows: Sequence[EventRow]) -> tuple[bool, str | None]:
    """Return whether an execution was cancelled, and how else it failed; None of a failure of its own."""
    last = next(row.event for row in reversed(rows) if row.type == "OrchestrationFailed")
    assert last is not None
    variant, content = next(iter(last["details"].items()))
    kind = content.get("kind") if isinstance(content, dict) else None
    if variant == "Application":
        return isinstance(kind, dict) and "Cancelled" in kind, None
    return False, kind if variant == "Configuration" and isinstance(kind, str) else variant


class Tree(Struct, frozen=True):
    """The events of each execution of an instance and of all below it; `is_whole` is whether none is pruned."""

    histories: Sequence[Sequence[Mapping[str, Any]]]
    is_whole: bool


def tree_of(reader: Reader, instance_id: str) -> Tree:
    """Return the events of an instance and of all below it: the starts, and what concerns activities.

    They are read as JSON alone, for there are many of them; what the engine could not read, H005 tells of.
    """

    def read() -> Tree:
        statement = reader.store.prepared(_tree)
        histories: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
        for instance, execution, text in reader.connection.execute(statement, {"root": instance_id}):
            event = parsed(text)
            if is_usable(event):
                histories.setdefault((instance, execution), []).append(event)
        is_whole = all((instance, 1) in histories for instance in (instance_id, *(one for one, _ in histories)))
        return Tree(list(histories.values()), is_whole)

    return reader.once(("pg_durable.tree", instance_id), read)


def _tree(flavour: Flavour) -> Select[Any]:
    """Return the statement for the events of an instance, the parameter `root`, and of all that are below it."""
    tree = select(cast(bindparam("root"), Text).label("instance_id")).cte("tree", recursive=True)
    below = select(instances.c.instance_id).where(instances.c.parent_instance_id == tree.c.instance_id)
    tree = tree.union(below)
    of = history.c
    is_wanted = or_(of.event_id == 1, func.strpos(func.left(of.event_data, _BEGINNING), '"type":"Activity') > 0)
    return (
        select(of.instance_id, of.execution_id, of.event_data)
        .where(of.instance_id == tree.c.instance_id, is_wanted)
        .order_by(of.instance_id, of.execution_id, of.event_id)
    )


def retention_days(reader: Reader) -> int:
    """Return for how many days pg_durable keeps what has ended, by its setting."""

    def read() -> int:
        setting = reader.connection.execute(select(func.current_setting("pg_durable.retention_days", True))).scalar()
        return int(setting) if setting and setting.isdigit() else RETENTION_DAYS

    return reader.once("pg_durable.retention_days", read)
