"""A check that fails on a row of no instance, as one of a plug-in may, is told as that; the rest of the run goes on."""

from __future__ import annotations

from typing import Any

import pytest

from cases import q011_lock_lasting
from catalogue.conftest import Prepare
from catalogue.sources import EVERY_CHECK
from conftest import FLAVOURS, Flavour
from contents import contents
from holystone.mend.apply import apply_plan
from holystone.mend.plan import make_plan
from holystone.mend.repair import repairs
from holystone.mend.runs import read_run
from holystone.mend.undo import undo_run

EVERY_UNSAFE = [repair.id for repair in repairs()]


def fails(*_: Any) -> None:
    raise RuntimeError("made for the test")


def exits(*_: Any) -> None:
    raise SystemExit(3)


@pytest.mark.parametrize("failing", [fails, exits])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_it_is_told_as_its_failure(
    prepare: Prepare, flavour: Flavour, monkeypatch: pytest.MonkeyPatch, failing: Any
) -> None:
    ground = prepare(flavour, q011_lock_lasting.CASE.broken)
    plan = make_plan(ground.store, EVERY_CHECK)
    assert {change.table for change in plan.changes} > {"sessions"}
    with monkeypatch.context() as patch:
        patch.setattr("holystone.mend.attempt.judge", failing)
        report = apply_plan(ground.store, plan, unsafe=EVERY_UNSAFE)
    assert {change.table for change, _ in report.skipped} == {"sessions"}
    assert all("Q011 could not look: " in why for _, why in report.skipped)
    assert report.applied == sum(change.table != "sessions" for change in plan.changes)

    rest = apply_plan(ground.store, make_plan(ground.store, EVERY_CHECK), unsafe=EVERY_UNSAFE)
    assert (rest.applied, rest.left) == (len(report.skipped), 0)
    repaired = contents(ground.made)
    run = read_run(ground.store, str(rest.run))
    with monkeypatch.context() as patch:
        patch.setattr("holystone.mend.attempt.judge", failing)
        undone = undo_run(ground.store, run)
    assert undone.applied == 0
    assert all("Q011 could not look: " in why for _, why in undone.skipped)
    assert contents(ground.made)["sessions"] == repaired["sessions"]
    assert undo_run(ground.store, read_run(ground.store, run.run_id)).left == 0
