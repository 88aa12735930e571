"""One change of one row: what a plan lists, a journal keeps, and an undo takes back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, TableClause, and_, column, select, table

from holystone.mend.repair import Image, Insert, Remove, Repair, Set, Step
from holystone.pg_durable.tables import TABLES, Printed, instance_columns
from holystone.scan.check import NoRepair
from holystone.scan.finding import Finding
from holystone.store.open_store import OpenStore


@dataclass(frozen=True)
class Change:
    """A planned or journaled change; all values are JSON, in the form that a flavour reads and writes.

    `before` is None where there was no row, `after` where there is none any more. `evidence` is what the change
    rests on beside the row itself: it is made only while the evidence is the same. Where a repair takes more than
    this one row, `evidence` names the finding's, as table and key: the changes of one finding are made together.
    `unsafe_because` says why a change is not safe, None where it is or where the journal tells of it.
    """

    check: str
    repair: str
    safety: str
    table: str
    key: Image
    before: Image | None
    after: Image | None
    why: str
    evidence: Image
    unsafe_because: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def row(self) -> str:
        """The row that changes, for use as a key of mappings; a new row of a queue has no number yet."""
        return json.dumps([self.table, self.key], sort_keys=True)

    @cached_property
    def instances(self) -> frozenset[str]:
        """The instances that it touches: those of the finding and of the row, before and after, and their parents."""
        images = (self.found_in, *((self.table, image or {}) for image in (self.key, self.before, self.after)))
        named = (image.get(column) for table, image in images for column in instance_columns(table))
        return frozenset(instance_id for instance_id in named if isinstance(instance_id, str))

    @property
    def needed(self) -> set[str]:
        """The instances that have to be there for it: the one that the row is of after it, and its parent then."""
        after = self.after or {}
        own, *parent = instance_columns(self.table)
        named = [{**self.key, **after}.get(own), *(after.get(column) for column in parent)]
        return {instance_id for instance_id in named if isinstance(instance_id, str)}

    def does_as(self, other: "Change") -> bool:
        """Return whether it does the very same for the same reason, whatever is said of its safety."""
        return replace(self, safety=other.safety, unsafe_because=other.unsafe_because) == other

    @property
    def found_in(self) -> tuple[str, Image]:
        """The table and the key of the row that the finding is about."""
        finding = self.evidence.get("finding")
        return (self.table, self.key) if finding is None else (finding["table"], finding["key"])

    @cached_property
    def finding(self) -> str:
        """The check and the row that its finding is about, for use as a key of mappings."""
        return name_of(self.check, *self.found_in)


Group = tuple[Change, ...]
"""The changes that mend one finding: made together or not at all."""


def instances_of(group: Group) -> set[str]:
    """Return the instances that any of the changes touches."""
    return set().union(*(change.instances for change in group))


def name_of(check: str, table: str, key: Image) -> str:
    """Return the name of a finding by its check and its row; the key's values are JSON."""
    return json.dumps([check, table, key], sort_keys=True)


def by_finding(changes: Iterable[Change]) -> list[Group]:
    """Return the changes in their order, those of each finding together."""
    return [tuple(group) for _, group in groupby(changes, key=lambda change: change.finding)]


def repair_of(finding: Finding, catalogue: Mapping[str, Repair]) -> Repair | None:
    """Return the repair that may mend the finding, as safe as its facts let it be; None where no program may.

    None as well where a plug-in's check names one that is not installed.
    """
    if isinstance(finding.check.repair, NoRepair) or (repair := catalogue.get(finding.check.repair)) is None:
        return None
    return repair.for_facts(finding.facts) if repair.applies(finding.facts) else None


def found(store: OpenStore, finding: Finding) -> str:
    """Return the name of the finding, as its changes have it."""
    key = {column: store.flavour.to_json(value) for column, value in finding.facts.key.items()}
    return name_of(finding.check.id, finding.relation.table.fullname, key)


def changes_for(store: OpenStore, connection: Connection, finding: Finding, repair: Repair) -> list[Change]:
    """Return the changes by which `repair` mends the row of `finding`, in the order in which they are made."""
    steps = repair.steps(finding.facts)
    key = {column: store.flavour.to_json(value) for column, value in finding.facts.key.items()}
    of: Image = {"finding": {"table": finding.relation.table.fullname, "key": key}}
    if all(step.table is None for step in steps) and len(steps) == 1:
        of = {}
    return [_change(store, connection, finding, repair, step, of) for step in steps]


def _change(
    store: OpenStore, connection: Connection, finding: Finding, repair: Repair, step: Step, of: Image
) -> Change:
    def as_json(values: Image) -> Image:
        return {column: store.flavour.to_json(value) for column, value in values.items()}

    name = step.table or finding.relation.table.fullname
    key = as_json(finding.facts.key if step.key is None else step.key)
    before: Image | None
    after: Image | None
    match step:
        case Set():
            before, after = as_json(step.before), as_json(step.after)
        case Remove():
            before, after = image(store, connection, name, key), None
        case Insert():
            before, after = None, as_json(step.rest)
    return Change(
        check=finding.check.id,
        repair=repair.id,
        safety=str(repair.safety),
        table=name,
        key=key,
        before=before,
        after=after,
        why=finding.message if finding.cause is None else f"{finding.message} ({finding.cause})",
        evidence={**finding.facts.evidence, **of},
    )


def image(store: OpenStore, connection: Connection, name: str, key: Image) -> Image:
    """Return the whole row with `key`, every column that the store's table has; empty where it is gone."""
    whole = row_table(store, name)
    row = connection.execute(select(whole).where(is_row(whole, values(store, key)))).mappings().one_or_none()
    return {} if row is None else {c: store.flavour.to_json(row[c]) for c in sorted(whole.c.keys())}


def row_table(store: OpenStore, name: str, columns: Iterable[str] | None = None) -> TableClause:
    """Return the store's table with these or all of its columns, so that values pass unchanged.

    They have no types, but for those of pg_durable's that are read as PostgreSQL prints them.
    """
    named = sorted(store.columns[name] if columns is None else columns)
    return clause_of(store.target.schema, name, named)


def clause_of(schema: str | None, name: str, columns: Sequence[str]) -> TableClause:
    """Return the table of that name with these columns; `schema` is that of the engine's tables."""
    known = TABLES.get(name)
    if known is None or known.schema is None:
        return table(name, *(column(one) for one in columns), schema=schema)
    printed = {one.name: one.type for one in known.c if isinstance(one.type, Printed)}
    return table(known.name, *(column(one, printed.get(one)) for one in columns), schema=known.schema)


def is_row(rows: TableClause, values: Mapping[str, Any]) -> ColumnElement[bool]:
    """Return the condition that the columns hold these values, NULL being equal to NULL."""
    return and_(*(rows.c[name].is_(None) if value is None else rows.c[name] == value for name, value in values.items()))


def values(store: OpenStore, image: Image) -> dict[str, Any]:
    """Return an image's values as a statement takes them."""
    return {name: store.flavour.from_json(name, value) for name, value in image.items()}
