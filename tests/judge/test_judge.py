"""The judge must be one that something fails: faults that are put into holystone on purpose are caught."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import FLAVOURS, available
from engine.engines import ENGINES
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from judge import treatment
from judge.court import PATIENT, Case, Court
from judge.damages import Damage
from judge.messages import left_in
from judge.patience import NoEndError, Patience
from judge.stores import Place, Row, stores_of

pytestmark = pytest.mark.long

DRIFT = Damage(
    "value",
    "kv_store",
    "done-chain",
    "value",
    "a key that history proves",
    (("UPDATE kv_store SET value = ? WHERE instance_id = ? AND key = ?", ("no", "done-chain", "number")),),
)

HARMS = {
    "ended": "UPDATE executions SET status = 'Completed' WHERE instance_id = 'live-event'",
    "lost": "DELETE FROM worker_queue WHERE instance_id = 'new-work' OR instance_id = 'live-tagged'",
    "message lost": "DELETE FROM orchestrator_queue WHERE instance_id = 'live-answered'",
    "too early": "UPDATE orchestrator_queue SET visible_at = {past} WHERE instance_id = 'live-far'",
    "twice": "INSERT INTO worker_queue (work_item, visible_at, created_at, instance_id, execution_id, activity_id, tag)"
    " SELECT work_item, visible_at, created_at, instance_id, execution_id, activity_id, tag FROM worker_queue"
    " WHERE instance_id = 'live-tagged'",
    "halted": "UPDATE orchestrator_queue SET instance_id = 'nobody', visible_at = {past}"
    " WHERE instance_id = 'live-far'",
    "gone": "DELETE FROM history WHERE instance_id = 'live-event' AND event_id = 2",
}
"""What a bad repair may do, and the engine punishes."""
ONLY_ON = {"halted": "sqlite"}
PAST = {"sqlite": "1000", "postgresql": "'2020-01-01'"}


@pytest.fixture(scope="module", params=FLAVOURS)
def court(request: pytest.FixtureRequest) -> Iterator[Court]:
    available(ENGINES[-1])
    with stores_of(request.param) as stores:
        judge = Court(stores, sample=1.0)
        yield judge
        judge.close()


def test_what_is_rightly_repaired_breaks_no_law(court: Court) -> None:
    [case] = court.judge([(DRIFT,)], PATIENT)
    assert case.repaired is not None
    assert case.repaired.changed == case.repaired.right == {"K003": 1}
    assert not case.broken


def test_each_harm_that_a_repair_does_is_caught(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    harms = [name for name in HARMS if ONLY_ON.get(name, court.stores.flavour) == court.stores.flavour]
    left = iter(harms)
    repair = treatment.repair

    def bad_repair(place: Place, original: dict[str, list[Row]]) -> Any:
        repaired = repair(place, original)
        touched = place.execute([(HARMS[next(left)].format(past=PAST[court.stores.flavour]), ())])
        assert touched
        return repaired

    monkeypatch.setattr(treatment, "repair", bad_repair)
    cases = list(court.judge([(DRIFT,)] * len(harms), PATIENT))
    assert {name for name, case in zip(harms, cases, strict=True) if "safe" not in case.broken} == set()


UNSEEN = {
    "a lost event": ("history", "DELETE FROM history WHERE instance_id = 'live-event' AND event_id = 2"),
    "an ended row": ("executions", "UPDATE executions SET status = 'Completed' WHERE instance_id = 'live-event'"),
    "a lost activity": ("worker_queue", "DELETE FROM worker_queue WHERE instance_id = 'live-tagged'"),
    "another execution": (
        "instances",
        "UPDATE instances SET current_execution_id = 1 WHERE instance_id = 'live-relay'",
    ),
}
"""Damages that checks see: where none did, the engine would tell."""


def test_a_store_that_is_wrongly_called_clean_is_caught(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treatment, "every_check", lambda: select_checks(Level.deep, ["S002"]))
    damages = [(Damage("test", table, None, None, name, ((sql, ()),)),) for name, (table, sql) in UNSEEN.items()]
    cases: list[Case] = list(court.judge(damages, PATIENT))
    assert {case.damages[0].says for case in cases if "clean" not in case.broken} == set()


def test_a_store_on_which_holystone_comes_to_no_end_is_a_failure(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(function: object, *given: object) -> None:
        raise NoEndError("no end")

    monkeypatch.setattr(court, "_run", endless)
    [case] = court.judge([(DRIFT,)])
    assert case.broken == {"no end": ["no end"]}


def test_what_comes_to_no_end_is_given_up_and_the_next_is_done() -> None:
    run = Patience(5)
    with pytest.raises(NoEndError):
        run(time.sleep, 600)
    assert run(abs, -1) == 1
    run.close()


UNDECODABLE = {
    "value": "UPDATE kv_store SET value = CAST(value AS BLOB)",
    "key": "UPDATE kv_store SET key = CAST(key AS BLOB)",
    "value of a change": "UPDATE kv_delta SET value = CAST(value AS BLOB)",
    "key of a change": "UPDATE kv_delta SET key = CAST(key AS BLOB)",
    "time in words": "UPDATE kv_store SET last_updated_at_ms = 'now'",
    "time in bytes": "UPDATE kv_store SET last_updated_at_ms = x'31'",
    "time in part": "UPDATE kv_store SET last_updated_at_ms = 1.5",
}
"""Each column of a row of a key, in each storage class in which SQLite keeps what is not the engine's."""


@pytest.mark.parametrize("court", ["sqlite"], indirect=True)
def test_keys_that_the_engine_cannot_decode_are_found(court: Court) -> None:
    damages = [(Damage("value", "kv_store", None, None, name, ((sql, ()),)),) for name, sql in UNDECODABLE.items()]
    cases: list[Case] = list(court.judge(damages, PATIENT))
    assert {case.damages[0].says for case in cases if not case.noticed} == set()
    found = {case.damages[0].says for case in cases if case.verdict is not None and case.verdict.findings["K004"]}
    assert found == UNDECODABLE.keys()


@pytest.mark.parametrize("court", ["postgresql"], indirect=True)
def test_a_time_that_no_calendar_has_hides_no_message(court: Court) -> None:
    place = court.stores.copy(court.stores.original)
    before = left_in(place)
    place.execute([("UPDATE orchestrator_queue SET created_at = 'infinity'", ())])
    assert left_in(place).keys() == before.keys() != set()
    court.stores.drop(place)
