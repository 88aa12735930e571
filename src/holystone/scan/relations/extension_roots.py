"""Facts of the engine's instances that are pg_durable's and have no row there."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from msgspec import Struct
from sqlalchemy import BigInteger, ColumnElement, FromClause, Text, and_, cast, func, select, true

from holystone.duroxide.event_types import FAILED, START
from holystone.duroxide.tables import instances
from holystone.flavours import Flavour
from holystone.pg_durable import tables as df
from holystone.pg_durable.activities import ORCHESTRATION, SATELLITE_PREFIX, NodeState, node_states
from holystone.pg_durable.copy import Root
from holystone.scan.compared import Compared, presence
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key
from holystone.scan.relations.extension import OfExtension, last_event, retention_days, root_of, tree_of

_DAY_MS = 86_400_000
_ORIGINS = "_origins"
"""The table beside the engine's, since 0.2.9, of the databases that may start instances."""


class ExtensionRootSource:
    """The engine's instances of pg_durable's orchestration, each with pg_durable's row where there is one."""

    def __init__(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> None:
        self.flavour = flavour
        root = instances.c
        is_root = [
            root.orchestration_name == ORCHESTRATION,
            root.parent_instance_id.is_(None),
            # Patterns, of which PostgreSQL knows how few instances they leave out: else it would look each row up.
            root.instance_id.not_like("%::%"),
            root.instance_id.not_like(f"{SATELLITE_PREFIX}%"),
        ]
        self._root = select(root.instance_id).where(*is_root, *within).subquery("root")
        self._row = df.instances.alias("instance")
        self._last = last_event(self._root.c.instance_id)
        self.key = (self._root.c.instance_id,)

    @property
    def rows(self) -> FromClause:
        row = self._root.outerjoin(self._row, cast(self._row.c.id, Text) == self._root.c.instance_id)
        return row.outerjoin(self._last, and_(self._row.c.id.is_(None), true()))

    @property
    def has_no_row(self) -> ColumnElement[bool]:
        """pg_durable has no row of it."""
        return self._row.c.id.is_(None)

    def output(self) -> Sequence[ColumnElement[Any]]:
        return [
            self._root.c.instance_id.label("instance_id"),
            cast(self._last.c.execution_id, BigInteger).label("execution_id"),
            self._last.c.event_id.label("event_id"),
        ]


class Origins(Struct, frozen=True):
    """What is needed of an instance to make pg_durable's rows anew, beside its graph.

    `nodes` are those that were written to, and `roles` the names of those of the graph that are roles here.
    """

    created_ms: int
    nodes: Mapping[str, NodeState]
    roles: frozenset[str]


class ExtensionRootFacts(Struct, frozen=True):
    """One instance of the engine without a row of pg_durable's; `root` is None where its history cannot be read.

    `origins` are there where the history has the graph. `settled` is whether its end is too long ago for a transaction
    of `df.start` that is open, and `expired` whether pg_durable should have taken it away by now.
    """

    flavour: Flavour
    instance_id: str
    root: Root | None
    last_event_id: int | None
    last_event_digest: str | None
    settled: bool
    expired: bool
    origins: Origins | None

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"last_event_id": self.last_event_id, "last_event_sha256": self.last_event_digest}

    @property
    def is_rolled_back(self) -> bool:
        """It failed without ever having seen its graph."""
        return self.root is not None and self.root.status == FAILED and not self.root.progress.loaded and self.settled

    @property
    def is_lost(self) -> bool:
        """It has seen its graph, so the rows were there."""
        return self.root is not None and self.root.progress.loaded

    @property
    def runs(self) -> bool:
        return self.root is not None and not self.root.has_ended

    def row_where(self, expected: bool) -> list[Compared[str]]:
        """Return pg_durable's row as what is missing, where it is."""
        return [presence("df_row", False)] if expected else []


class ExtensionRoots(OfExtension[ExtensionRootSource, ExtensionRootFacts]):
    name = "pg_durable_roots"
    table = instances
    counted = False
    hashes = True
    needs: ClassVar = {"instances": {"parent_instance_id"}}

    def source(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> ExtensionRootSource:
        return ExtensionRootSource(flavour, within)

    def satellites(self, reader: Reader, within: Conditions) -> int:
        """Return how many instances other databases of the server have started: their rows are there."""
        if _ORIGINS not in reader.store.columns:
            return 0
        root = instances.c
        is_satellites = [root.parent_instance_id.is_(None), func.strpos(root.instance_id, SATELLITE_PREFIX) == 1]
        count = select(func.count()).where(root.orchestration_name == ORCHESTRATION, *is_satellites, *within)
        return int(reader.connection.execute(count).scalar_one())

    def facts(self, reader: Reader, row: Any) -> ExtensionRootFacts:
        root, digest = root_of(reader, row.instance_id, row.execution_id)
        ended_ms = None if root is None else root.ended_ms
        taken_ms = reader.now_ms - (retention_days(reader) + 1) * _DAY_MS
        return ExtensionRootFacts(
            flavour=reader.flavour,
            instance_id=row.instance_id,
            root=root,
            last_event_id=row.event_id,
            last_event_digest=digest,
            settled=ended_ms is not None and ended_ms <= reader.settled_before_ms,
            expired=ended_ms is not None and ended_ms < taken_ms,
            origins=_origins(reader, row.instance_id, root),
        )


def _origins(reader: Reader, instance_id: str, root: Root | None) -> Origins | None:
    graph = None if root is None else root.progress.graph
    if graph is None:
        return None
    histories = tree_of(reader, instance_id).histories
    starts = [events[0] for events in histories if events and events[0]["type"] == START]
    named = sorted({node.submitted_by for node in graph.nodes.values()})
    return Origins(
        min((start["timestamp_ms"] for start in starts), default=0),
        node_states(histories, instance_id),
        frozenset(reader.once(("pg_durable.roles", *named), lambda: _roles(reader, named))),
    )


def _roles(reader: Reader, names: Sequence[str]) -> Sequence[str]:
    return [name for name in names if reader.connection.execute(select(func.to_regrole(quoted(name)))).scalar()]


def quoted(name: str) -> str:
    """Return the name of a role as SQL reads it."""
    return '"' + name.replace('"', '""') + '"'


EXTENSION_ROOTS = ExtensionRoots()
