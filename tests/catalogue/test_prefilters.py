"""What a prefilter does not doubt is sound: no check that it proves finds anything there, whatever was done to rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, delete, select, update

from catalogue.conftest import Prepare
from catalogue.sources import EVERY_CHECK, ON_EACH_FLAVOUR, case_of
from conftest import ENGINES, Flavour, MakeStore
from holystone.duroxide.tables import EngineTimestamp, executions, history, instances
from holystone.errors import StoreUnavailableError
from holystone.scan import long_texts
from holystone.scan.check import Check, Proof
from holystone.scan.prefilters import PREFILTERS
from holystone.scan.prefilters.prefilter import Prefilter
from holystone.scan.reader import Reader
from holystone.scan.scan import Scan
from holystone.store import Store

SCENARIOS = ["completed", "chains", "parents", "waiting", "key-values"]
OTHERS = (None, "", "x", 0, 1, 2, 7)


def instances_left(prefilter: Prefilter, store: Store) -> set[tuple[str, str]]:
    """Instance and check of all that has to be looked at once more."""
    with store.snapshot() as connection:
        result = prefilter.run(Reader(store, connection), [])
    assert not result.has_unnameable_ids
    return {
        (instance, check.id)
        for check in EVERY_CHECK
        if prefilter.proves(check)
        for relation in check.relations
        for instance in result.instances_left(relation) or ()
    }


def found(prefilter: Prefilter, store: Store) -> set[tuple[str, str]]:
    """Instance and check of what the checks that the prefilter proves find by themselves."""
    proven = [check for check in EVERY_CHECK if prefilter.proves(check)]
    return {(finding.instance_id, finding.check.id) for finding in Scan(store, proven, prefilters=())}


PACKED_AND_APART = [long_texts.LONG, 250]
"""Lengths from which texts are long: with the second most histories have both, texts that are packed and others."""


@pytest.fixture(params=PACKED_AND_APART, ids=["packed", "apart"])
def _read_apart(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_texts, "LONG", request.param)
    monkeypatch.setattr("holystone.store.open_store._PREPARED", {})


def test_a_check_is_proved_by_what_reads_as_much_or_more() -> None:
    for check in EVERY_CHECK:
        proofs = {prefilter.proof for prefilter in PREFILTERS if prefilter.proves(check)}
        assert proofs == {proof for proof in Proof if check.proved_by is not None and check.proved_by <= proof}


@pytest.mark.long
@pytest.mark.parametrize(("check", "flavour"), ON_EACH_FLAVOUR)
def test_findings_of_every_case_are_in_doubt(
    check: Check, flavour: str, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of(check)
    store = prepare(flavour, case.broken, own=case.alters_schema).store
    for length in PACKED_AND_APART:
        monkeypatch.setattr(long_texts, "LONG", length)
        monkeypatch.setattr("holystone.store.open_store._PREPARED", {})
        for prefilter in PREFILTERS:
            assert found(prefilter, store) <= instances_left(prefilter, store)


@pytest.mark.long
@pytest.mark.parametrize(
    ("flavour", "_read_apart"),
    [("sqlite", long_texts.LONG), ("postgresql", long_texts.LONG), ("sqlite", 250)],
    indirect=["_read_apart"],
)
@pytest.mark.usefixtures("_read_apart")
def test_no_damage_of_a_row_escapes(engine_store: MakeStore, flavour: Flavour) -> None:
    """Each value of each row that an engine wrote is replaced, and each row taken away, one at a time."""
    made = engine_store(ENGINES[-1], flavour, SCENARIOS)
    store = Store.open(made.target, made.schema)
    healthy = {prefilter: instances_left(prefilter, store) for prefilter in PREFILTERS}
    noticed = 0
    for damage, mend in damages(store):
        try:
            with store.transaction() as connection:
                connection.execute(damage)
        except StoreUnavailableError:  # another row has this key already
            continue
        for prefilter in PREFILTERS:
            bad = found(prefilter, store)
            noticed += bool(bad)
            assert bad <= instances_left(prefilter, store), damage.compile().params
        with store.transaction() as connection:
            connection.execute(mend)
    assert noticed > 100
    assert {prefilter: instances_left(prefilter, store) for prefilter in PREFILTERS} == healthy


def damages(store: Store) -> Iterator[tuple[Any, Any]]:
    """Statements that damage the store in one place each, and statements that take that back."""
    for table in (executions, instances, history):
        with store.snapshot() as connection:
            rows = connection.execute(select(table)).mappings().all()
        for row in rows[:: 1 + len(rows) // 8]:
            key = [column == row[column.name] for column in table.primary_key]
            yield delete(table).where(*key), table.insert().values(**row)
            for column in table.c:
                for value in OTHERS:
                    if fits(column, value) and value != row[column.name]:
                        of_damaged = [
                            other == (value if other is column else row[other.name]) for other in table.primary_key
                        ]
                        yield (
                            update(table).where(*key).values({column: value}),
                            update(table).where(*of_damaged).values({column: row[column.name]}),
                        )


def fits(column: Column[Any], value: Any) -> bool:
    if value is None:
        return bool(column.nullable)
    return not isinstance(column.type, EngineTimestamp) and isinstance(value, column.type.python_type)


@pytest.mark.long
@pytest.mark.usefixtures("_read_apart")
@pytest.mark.parametrize("prefilter", PREFILTERS, ids=lambda prefilter: prefilter.name)
def test_little_that_the_engine_wrote_is_in_doubt(
    engine_store: MakeStore, engine_version: str, flavour: Flavour, prefilter: Prefilter
) -> None:
    made = engine_store(engine_version, flavour)
    store = Store.open(made.target, made.schema)
    with store.snapshot() as connection:
        result = prefilter.run(Reader(store, connection), [])
    assert len(result.doubtful) < result.executions / 4, result.doubtful
