"""The SQL of a runbook page finds what the check finds, when it is pasted as it stands."""

from __future__ import annotations

import pytest

from catalogue.sources import case_of
from conftest import ENGINES, FLAVOURS, MakeStore
from holystone.demo.scribe import Scribe
from holystone.scan.catalogue import checks
from holystone.scan.check import Check
from holystone.store import Store

pytestmark = pytest.mark.long

EVERY_QUERY = [
    pytest.param(check, flavour, id=f"{check.id}-{flavour}")
    for check in checks()
    for flavour in FLAVOURS
    if check.diagnosis.get(flavour, "").startswith(("SELECT", "WITH"))
]


@pytest.mark.parametrize(("check", "flavour"), EVERY_QUERY)
def test_diagnosis_finds_the_broken_rows(check: Check, flavour: str, engine_store: MakeStore) -> None:
    made = engine_store(ENGINES[-1], flavour, ())  # type: ignore[arg-type]
    store = Store.open(made.target, made.schema)
    case = case_of(check)
    with store.transaction() as connection:
        case.broken(Scribe(connection, store.flavour))
    found = {str(row[0]) for row in made.execute(check.diagnosis[flavour])}
    assert {str(one.instance_id) for one in case.findings} <= found


def test_every_check_says_how_to_look_on_its_flavours() -> None:
    assert [check.id for check in checks() if set(check.diagnosis) != check.flavours] == []
