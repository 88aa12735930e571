"""The SQL of a runbook page finds what the check finds, when it is pasted as it stands."""

from __future__ import annotations

import pytest

from catalogue.conftest import Prepare
from catalogue.sources import case_of
from conftest import FLAVOURS
from holystone.scan.catalogue import checks
from holystone.scan.check import Check

EVERY_QUERY = [
    pytest.param(check, flavour, id=f"{check.id}-{flavour}")
    for check in checks()
    for flavour in FLAVOURS
    if check.diagnosis.get(flavour, "").startswith(("SELECT", "WITH"))
]


@pytest.mark.long
@pytest.mark.parametrize(("check", "flavour"), EVERY_QUERY)
def test_diagnosis_finds_the_broken_rows(check: Check, flavour: str, prepare: Prepare) -> None:
    case = case_of(check)
    ground = prepare(flavour, case.broken, own=case.alters_schema)
    found = {str(row[0]) for row in ground.execute(check.diagnosis[flavour])}
    assert found
    assert {str(one.instance_id) for one in case.findings if one.instance_id is not None} <= found


def test_every_check_says_how_to_look_on_its_flavours() -> None:
    assert [check.id for check in checks() if set(check.diagnosis) != check.flavours] == []
