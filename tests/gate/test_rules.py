"""Each rule refuses its case, names it, and lets a sound store pass, on both flavours."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.helpers import UNDATED, Run, Sample
from holystone import api
from holystone.gate.rules import RULES
from holystone.mend.journal import Run as JournalRun
from holystone.mend.journal import begin
from holystone.migrate import upgrade
from holystone.store import Store

ALL = {"orchestrations": {"Order": ["1.0.0"], "Meter": ["1.0.0"]}, "activities": ["Charge", "Read"]}
"""What an application registers that can go on with the sound store."""


@dataclass(frozen=True)
class Case:
    """A rule, what makes it refuse, by flavour where that differs, what it says, and the words of the command."""

    rule: str
    spoil: Callable[[Sample], None]
    says: str
    words: tuple[str, ...] = ()
    registered: object = None
    flavours: tuple[str, ...] = ("sqlite", "postgresql")


def sql(sqlite: str, postgresql: str | None = None) -> Callable[[Sample], None]:
    return lambda store: store.execute(sqlite if store.schema is None else postgresql or sqlite)


def nothing(store: Sample) -> None:
    """The store is as it should be; what is to be deployed on it is not."""


def opened(store: Sample) -> Store:
    return Store.open(store.target, store.schema)


def upgraded(to: str, script: str = "") -> Callable[[Sample], None]:
    def spoil(store: Sample) -> None:
        upgrade(opened(store), to)
        if script:
            store.execute(script)

    return spoil


def begun(store: Sample) -> None:
    """A run of a repair that was stopped before its end."""
    one = opened(store)
    api.install_journal(one)
    with opened(store).transaction() as connection:
        begin(connection, JournalRun("stopped", "apply", None, None, "me@host", "0.1.0", 1_700_000_000_000, None, ()))


def edited(store: Sample) -> None:
    store.execute(UNDATED)
    api.apply(store.target, api.plan(store.target, schema=store.schema), schema=store.schema)
    store.execute("UPDATE holystone_changes SET why = 'I say so'")


def removed_kind(store: Sample) -> None:
    """An event that engines before 0.1.14 wrote, in the history of an order that runs."""
    event = {
        "event_id": 3,
        "source_event_id": None,
        "instance_id": "order-3",
        "execution_id": 1,
        "timestamp_ms": 1_700_000_000_000,
        "duroxide_version": "0.1.9",
        "type": "SystemCall",
        "op": "guid",
        "value": "1",
    }
    text = json.dumps(event, separators=(",", ":"))
    store.execute(
        "INSERT INTO history (instance_id, execution_id, event_id, event_type, event_data, created_at) "
        f"VALUES ('order-3', 1, 3, 'SystemCall', '{text}', CURRENT_TIMESTAMP)"
    )


CASES = (
    Case("G001", sql("ALTER TABLE instances ADD COLUMN mine TEXT"), "it has the column instances.mine"),
    Case(
        "G002",
        sql(
            "UPDATE _sqlx_migrations SET success = 0 WHERE version = 20240112000000",
            "DELETE FROM _duroxide_migrations WHERE version = 19",
        ),
        "migration ",
    ),
    Case(
        "G002",
        sql("DROP TABLE _sqlx_migrations", "DROP TABLE _duroxide_migrations"),
        "it has no ledger of the engine's migrations",
        ("--against", "package:0.2.2"),
    ),
    Case(
        "G003",
        sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) "
            "VALUES (20990101000000, 'later', 1, x'00', 1)",
            "INSERT INTO _duroxide_migrations (version, name) VALUES (99, 'later')",
        ),
        "newer than all that are known here",
    ),
    Case("G004", nothing, "ends at", ("--against", "core:0.1.9"), flavours=("sqlite",)),
    Case("G004", nothing, "ends at 10", ("--against", "provider:0.1.11"), flavours=("postgresql",)),
    Case(
        "G005",
        sql(
            """UPDATE history SET event_data = replace(event_data, '"duroxide_version":"', '"duroxide_version":"1.')"""
        ),
        "with events of core 1.0.1, and this version passes over what began there",
        ("--against", "package:0.2.0"),
    ),
    Case("G006", removed_kind, "1 live instance (order-3)", ("--against", "package:0.2.2")),
    Case("G008", nothing, "Order", registered={"orchestrations": {"Meter": ["1.0.0"]}}),
    Case("G008", nothing, "Order 1.0.0", registered={"orchestrations": {"Meter": ["1.0.0"], "Order": ["2.0.0"]}}),
    Case("G009", nothing, "the activity Charge", registered={**ALL, "activities": ["Read"]}),
    Case("G010", upgraded("t0001", "INSERT INTO holystone_migrations VALUES ('t9999')"), "t9999"),
    Case("G011", upgraded("t0003"), "pending: t0004, t0005"),
    Case("G012", upgraded("toolkit@head", "DROP TABLE holystone_watermarks"), "table holystone_watermarks"),
    Case("G013", begun, "the apply stopped has not come to its end"),
    Case("G014", edited, "run "),
    Case(
        "G015",
        sql("", "UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'idx_orch_lock'::regclass"),
        "idx_orch_lock",
        flavours=("postgresql",),
    ),
    Case("G016", sql(UNDATED), "E003 completed-at-missing: 1 finding"),
)
EACH = [
    pytest.param(flavour, case, id=f"{case.rule}-{number}-{flavour}")
    for number, case in enumerate(CASES)
    for flavour in case.flavours
]


@pytest.mark.parametrize(("flavour", "case"), EACH)
def test_it_is_refused(flavour: str, case: Case, request: pytest.FixtureRequest, run: Run, tmp_path: Path) -> None:
    store: Sample = request.getfixturevalue("sqlite_store" if flavour == "sqlite" else "postgresql_database")
    words = list(case.words)
    if case.registered is not None:
        file = tmp_path / "registered.json"
        file.write_text(json.dumps(case.registered))
        words += ["--registered", str(file)]
    before = run("gate", *store.words, "--format", "json").json
    assert before["verdict"] == "pass"
    case.spoil(store)
    result = run("gate", *store.words, *words, "--format", "json")
    (rule,) = [one for one in result.json["rules"] if one["id"] == case.rule]
    assert rule["outcome"] == "refused", result.json["rules"]
    assert any(case.says in sentence for sentence in rule["found"]), rule["found"]
    assert rule["next_step"]
    assert result.json["verdict"] in ("refused", "incomplete")
    assert result.status == {"refused": 1, "incomplete": 2}[result.json["verdict"]]
    text = run("gate", *store.words, *words).out
    assert f"{case.rule} {rule['name']}  {rule['severity']}, refused" in text


def test_every_rule_has_a_case() -> None:
    # G007 only notes, and is asked of stores of older engines: test_pairs.py.
    assert {rule.id for rule in RULES} - {case.rule for case in CASES} == {"G007"}


METER_ALONE = {"orchestrations": {"Meter": ["1.0.0"]}, "activities": ["Charge", "Read"]}
"""What the orders cannot go on with, of which order-3 alone runs."""


def unregistered(run: Run, store: Sample, tmp_path: Path) -> tuple[str, list[str]]:
    """Return what G008 says where orders are not registered."""
    (file := tmp_path / "registered.json").write_text(json.dumps(METER_ALONE))
    result = run("gate", *store.words, "--registered", str(file), "--format", "json")
    [rule] = [one for one in result.json["rules"] if one["id"] == "G008"]
    return rule["outcome"], rule["found"]


ONE_ORDER = ["the orchestration Order 1.0.0 is not registered: 1 live instance (order-3)"]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("UPDATE executions SET status = 'Completed' WHERE instance_id = 'order-3'", True),
        ("UPDATE executions SET status = 'lost' WHERE instance_id = 'order-3'", True),
        ("UPDATE executions SET status = 'Running' WHERE instance_id <> 'order-3'", True),
        ("UPDATE instances SET orchestration_name = 'Meter' WHERE instance_id = 'order-3'", True),
        # What cannot be read decides nothing, so the row does.
        ("UPDATE history SET event_data = '{' WHERE instance_id = 'order-3' AND event_id = 2", True),
        (
            "UPDATE history SET event_data = '{' WHERE instance_id = 'order-1' AND event_id = 4;"
            "UPDATE executions SET status = 'Completed' WHERE instance_id = 'order-3'",
            True,
        ),
        (
            "DELETE FROM history WHERE instance_id = 'order-3';"
            "UPDATE executions SET status = 'Completed' WHERE instance_id = 'order-3'",
            False,
        ),
        ("DELETE FROM history WHERE instance_id = 'order-3'", True),
    ],
)
def test_the_history_says_what_runs_and_not_the_row(
    breakable: Sample, run: Run, tmp_path: Path, script: str, found: bool
) -> None:
    assert unregistered(run, breakable, tmp_path) == ("refused", ONE_ORDER)
    breakable.execute(script)
    assert unregistered(run, breakable, tmp_path) == (("refused", ONE_ORDER) if found else ("pass", []))


def test_what_is_registered_in_full_passes(sound: Sample, run: Run, tmp_path: Path) -> None:
    as_toml = tmp_path / "registered.toml"
    as_toml.write_text('activities = ["Charge", "Read"]\n[orchestrations]\nOrder = ["1.0.0"]\nMeter = ["1.0.0"]\n')
    result = run("gate", *sound.words, "--registered", str(as_toml))
    assert (result.status, result.err) == (0, ""), result.out
    assert "Rules: 12 pass, 4 not-asked." in result.out


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("[]", "cannot be used"),
        ("{", "cannot be used"),
        ('{"orchestrations": []}', "it should hold orchestrations"),
        ('{"orchestrations": {"Order": "1.0.0"}}', "'Order' should have a list of versions"),
        ('{"orchestrations": {"Order": ["1.0.0"]}, "activity": []}', "it has 'activity'"),
        ('{"orchestrations": {"Order": ["1.0.0"]}, "activities": {}}', "activities should be a list of names"),
    ],
)
def test_a_file_of_another_form_is_refused_in_a_sentence(
    document: str, says: str, sqlite_store: Sample, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "registered.json"
    file.write_text(document)
    result = run("gate", *sqlite_store.words, "--registered", str(file))
    assert (result.status, result.out) == (2, "")
    assert says in result.err
    assert len(result.err.splitlines()) == 2
