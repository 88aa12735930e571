"""Any text that a user can put into an id or an output comes through a plan's file, a repair and an undo."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import ENGINES, Flavour, MakeStore
from contents import contents
from holystone.demo.scribe import Scribe, completed, started
from holystone.duroxide.tables import executions
from holystone.mend.apply import apply_plan
from holystone.mend.plan import make_plan, read_plan
from holystone.mend.runs import read_run
from holystone.mend.undo import undo_run
from holystone.migrate import upgrade
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.scan import Scan
from holystone.store import Store

pytestmark = pytest.mark.long

# Neither a NUL nor half of a surrogate pair can be stored as text in PostgreSQL, nor written by the engine.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@given(instance_id=TEXT.filter(bool), output=TEXT, other=TEXT)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_survives(
    engine_store: MakeStore, flavour: Flavour, instance_id: str, output: str, other: str
) -> None:
    made = engine_store(ENGINES[-1], flavour, ())
    store = Store.open(made.target, made.schema)
    key = {"instance_id": instance_id, "execution_id": 1}
    with store.transaction() as connection:
        scribe = Scribe(connection, store.flavour)
        scribe.execution(instance_id, started(input=other), completed(output))
    assert list(Scan(store, select_checks(Level.deep))) == []
    with store.transaction() as connection:
        Scribe(connection, store.flavour).change(executions, key, status="Running", output=other)
    before = contents(made)
    upgrade(store)
    plan = read_plan(json.dumps(make_plan(store, select_checks(Level.deep)).to_json()), store)
    assert [change.key for change in plan.changes] == [key]
    report = apply_plan(store, plan)
    assert (report.applied, report.left) == (1, 0)
    assert list(Scan(store, select_checks(Level.deep))) == []
    assert report.run is not None
    assert undo_run(store, read_run(store, report.run)).left == 0
    assert contents(made) == before
