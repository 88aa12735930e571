"""One change of one row: what a plan lists, a journal keeps, and an undo takes back."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, Connection, TableClause, and_, column, select, table

from holystone.mend.repair import Action, Repair
from holystone.scan.check import NoRepair
from holystone.scan.finding import Finding
from holystone.store import Store

Image = Mapping[str, Any]
"""Columns of a row and their values, in the JSON form that a flavour reads and writes."""


@dataclass(frozen=True)
class Change:
    """A planned or journaled change; all values are JSON.

    `before` is None where there was no row, `after` where there is none any more. `evidence` is what the change
    rests on beside the row itself:
    it is made only while the evidence is the same.
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

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @property
    def instance_id(self) -> Any:
        return self.key["instance_id"]

    @property
    def row(self) -> str:
        """The check and the row that it is about, for use as a key of mappings."""
        return json.dumps([self.check, self.table, self.key], sort_keys=True)


def repair_of(finding: Finding, catalogue: Mapping[str, Repair]) -> Repair | None:
    """Return the repair that may mend the finding, None where no program may."""
    if isinstance(finding.check.repair, NoRepair):
        return None
    repair = catalogue[finding.check.repair]
    return repair if repair.applies(finding.facts) else None


def change_for(store: Store, connection: Connection, finding: Finding, repair: Repair) -> Change:
    """Return the change by which `repair` mends the row of `finding`."""
    facts, to_json = finding.facts, store.flavour.to_json
    name = finding.check.relation.table.name
    key = {column: to_json(value) for column, value in facts.key.items()}
    after: Image | None
    if repair.action is Action.delete:
        before, after = image(store, connection, name, key), None
    else:
        expected = {c: facts.expected(c) for c in repair.columns if facts.decided(c)}
        wrong = [c for c, value in expected.items() if facts.observed(c) != value]
        before = {c: to_json(facts.observed(c)) for c in wrong}
        after = {c: to_json(expected[c]) for c in wrong}
    why = finding.message if finding.cause is None else f"{finding.message} ({finding.cause})"
    return Change(finding.check.id, repair.id, str(repair.safety), name, key, before, after, why, facts.evidence)


def image(store: Store, connection: Connection, name: str, key: Image) -> Image:
    """Return the whole row with `key`, every column that the store's table has; empty where it is gone."""
    whole = row_table(store, name)
    row = connection.execute(select(whole).where(is_row(whole, values(store, key)))).mappings().one_or_none()
    return {} if row is None else {c: store.flavour.to_json(row[c]) for c in sorted(whole.c.keys())}


def row_table(store: Store, name: str, columns: Iterable[str] | None = None) -> TableClause:
    """Return the store's table with these or all of its columns, untyped, so that values pass unchanged."""
    named: list[ColumnClause[Any]] = [column(c) for c in sorted(store.columns[name] if columns is None else columns)]
    return table(name, *named, schema=store.target.schema)


def is_row(rows: TableClause, values: Mapping[str, Any]) -> ColumnElement[bool]:
    """Return the condition that the columns hold these values, NULL being equal to NULL."""
    return and_(*(rows.c[name].is_(None) if value is None else rows.c[name] == value for name, value in values.items()))


def values(store: Store, image: Image) -> dict[str, Any]:
    """Return an image's values as a statement takes them."""
    return {name: store.flavour.from_json(name, value) for name, value in image.items()}
