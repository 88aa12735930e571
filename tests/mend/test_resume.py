"""A run that was stopped goes on as the same run, with what it was asked for, and one undo takes all of it back."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cases import q001_dispatch_blocked
from catalogue.conftest import Prepare
from cli.helpers import Result, Run, assert_refused
from conftest import ENGINES, SQLITE_AND_LONG_POSTGRESQL, EngineStore, Flavour, MakeStore, one_and_long
from contents import Contents, contents, rows
from ground import Ground
from holystone.cli.main import run as run_command
from holystone.demo.scribe import Scribe, completed, started
from holystone.demo.story import OLD_ENGINE
from holystone.duroxide.tables import executions
from holystone.errors import JournalError
from holystone.mend import journal, pace
from holystone.mend.apply import Application, new_run
from holystone.mend.plan import make_plan
from holystone.mend.runs import read_run, read_runs
from holystone.migrate import upgrade
from holystone.render import repairs
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.store import Store

pytestmark = pytest.mark.slow


PLACES = 6


def drifted(scribe: Scribe) -> None:
    """Executions that ended and seem to run, and two of other orders."""
    for number in range(PLACES):
        scribe.execution(f"order-{number}", started(), completed(f'"{number}"'))
    for number in range(2):
        scribe.execution(f"other-{number}", started(), completed(f'"{number}"'))
    for id in [f"order-{number}" for number in range(PLACES)] + ["other-0", "other-1"]:
        scribe.change(executions, {"instance_id": id, "execution_id": 1}, status="Running", output=None)


def words(ground: Ground, *command: str) -> list[str]:
    """A command of `holystone repair`, with what comes after TARGET."""
    return ["repair", command[0], *ground.made.arguments[:1], *command[1:], *ground.made.arguments[1:]]


class Stop:
    """Stops a run as Ctrl-C does, in the transaction after so many of its chunks, which is rolled back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pace, "GENTLE_CHUNK", 1)
        monkeypatch.setattr(pace, "CHUNK", 2)
        monkeypatch.setattr(pace, "MOST_IN_A_CHUNK", 2)
        record = journal.record
        self.after: int | None = None

        def stopping(*arguments: Any) -> None:
            record(*arguments)
            if self.after is not None:
                self.after -= 1
                if self.after < 0:
                    self.after = None
                    raise KeyboardInterrupt

        monkeypatch.setattr(journal, "record", stopping)


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Stop:
    return Stop(monkeypatch)


def go_on(run: Run, said: str) -> Result:
    """Run the command that a stopped one has printed."""
    (line,) = [line for line in said.splitlines() if line.startswith("Go on: ")]
    printed = shlex.split(line.removeprefix("Go on: "))
    assert printed[:3] == ["holystone", "repair", "resume"]
    return run(*printed[1:], "--yes", "--format", "json")


OPTIONS: list[list[str]] = [
    [],
    ["--select", "E001", "--level", "quick"],
    ["--instance", "order-*"],
    ["--ignore", "K001=not yet", "--race-window", "5"],
    ["--config", "POLICY"],
    ["PLAN"],
]


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
@pytest.mark.parametrize("options", one_and_long(OPTIONS), ids=" ".join)
def test_what_goes_on_does_what_it_was_asked_for(
    prepare: Prepare, run: Run, stop: Stop, flavour: str, options: list[str], tmp_path: Path
) -> None:
    policy, plan = tmp_path / "policy.toml", tmp_path / "plan.json"
    policy.write_text('[[suppress]]\ncheck = "E001"\ninstance = "other-*"\nreason = "later"\n')
    options = [{"POLICY": str(policy), "PLAN": str(plan)}.get(word, word) for word in options]

    def prepared() -> tuple[Ground, Contents]:
        ground = prepare(flavour, drifted)
        if str(plan) in options:
            assert run("repair", "plan", *ground.made.arguments, "--instance", "order-*", "-o", str(plan)).status == 0
        return ground, contents(ground.made)

    ground, _ = prepared()
    apply = words(ground, "apply", *options, "--yes", "--format", "json")
    whole = run(*apply)
    assert whole.status in (0, 1), whole.err
    repaired = contents(ground.made)
    chunks = whole.json["applied"]
    for after in {1, chunks // 2}:
        ground, before = prepared()
        stop.after = after
        stopped = run(*apply)
        assert (stopped.status, "was stopped" in stopped.err) == (2, True), stopped.err
        assert contents(ground.made) not in (before, repaired)
        done = run(*words(ground, "log"))
        assert "interrupted" in done.out
        assert "Go on: holystone repair resume" in done.out
        gone_on = go_on(run, stopped.err)
        assert gone_on.status == whole.status, gone_on.err
        assert contents(ground.made) == repaired
        (one,) = run(*words(ground, "log", "--format", "json")).json["runs"]
        assert (one["run"], one["altered"], len(one["changes"])) == (gone_on.json["run"], [], whole.json["applied"])
        assert one["finished_at_ms"] is not None
        assert run(*words(ground, "undo", one["run"], "--yes")).status == 0
        assert contents(ground.made) == before


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_unsafe_repairs_go_on_where_they_were_named(prepare: Prepare, run: Run, stop: Stop, flavour: str) -> None:
    ground = prepare(flavour, q001_dispatch_blocked.CASE.broken)
    before = contents(ground.made)
    run_id = stopped_run(ground, run, stop, "--unsafe", "park-message")
    (stopped,) = read_runs(ground.store)
    gone_on = run(*words(ground, "resume", run_id, "--yes", "--format", "json")).json
    assert (gone_on["left"], gone_on["unsafe"]) == (0, {})
    (whole,) = read_runs(ground.store)
    assert len(whole.changes) == len(stopped.changes) + gone_on["applied"] > len(stopped.changes)
    assert run("check", *ground.made.arguments).status == 0
    assert run(*words(ground, "undo", run_id, "--yes")).status == 0
    assert contents(ground.made) == before


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_an_undo_goes_on_as_the_same_run(prepare: Prepare, run: Run, stop: Stop, flavour: str) -> None:
    ground = prepare(flavour, drifted)
    before = contents(ground.made)
    applied = run(*words(ground, "apply", "--yes", "--format", "json")).json
    repaired = contents(ground.made)
    stop.after = 2
    stopped = run(*words(ground, "undo", applied["run"], "--yes"))
    assert (stopped.status, "was stopped" in stopped.err) == (2, True)
    gone_on = go_on(run, stopped.err)
    assert (gone_on.status, gone_on.json["left"]) == (0, 0)
    assert contents(ground.made) == before
    undo, apply = run(*words(ground, "log", "--format", "json")).json["runs"]
    assert {change["undone_by"] for change in apply["changes"]} == {undo["run"]}
    assert (undo["altered"], apply["altered"], len(undo["changes"])) == ([], [], applied["applied"])
    assert run(*words(ground, "undo", undo["run"], "--yes")).status == 0
    assert contents(ground.made) == repaired


def stopped_run(ground: Ground, run: Run, stop: Stop, *options: str) -> str:
    stop.after = 1
    assert run(*words(ground, "apply", *options, "--yes")).status == 2
    return str(run(*words(ground, "log", "--format", "json")).json["runs"][0]["run"])


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_what_cannot_go_on_is_refused(prepare: Prepare, run: Run, stop: Stop, flavour: str, tmp_path: Path) -> None:
    def refused(run_id: str, *said: str, options: Sequence[str] = ("--yes",)) -> None:
        before, ours = contents(ground.made), rows(ground.made, "holystone_runs")
        assert_refused(run(*words(ground, "resume", run_id, *options)), *said)
        assert (contents(ground.made), rows(ground.made, "holystone_runs")) == (before, ours)

    ground = prepare(flavour, drifted)
    plan, other = str(tmp_path / "plan.json"), str(tmp_path / "other.json")
    for file, only in ((plan, "order-*"), (other, "other-*")):
        run("repair", "plan", *ground.made.arguments, "--instance", only, "-o", file)
    of_file = stopped_run(ground, run, stop, plan)
    refused(of_file, f"Run '{of_file}' was given a plan file", "Next: holystone repair resume", "--plan FILE")
    refused(of_file, "is not the one that run", options=["--plan", other])
    refused("20010101-000000-aaaaaa", "has no run '20010101-000000-aaaaaa'")
    # Whoever has forgotten --yes is told first what --yes would not mend.
    refused("20010101-000000-aaaaaa", "has no run '20010101-000000-aaaaaa'", options=[])
    assert run(*words(ground, "resume", of_file, "--plan", plan)).status == 0
    refused(of_file, f"Run '{of_file}' has come to its end", options=["--plan", plan])

    of_its_own = stopped_run(ground, run, stop)
    refused(of_its_own, f"Run '{of_its_own}' was given no plan file", options=["--plan", plan])
    asked = run(*words(ground, "resume", of_its_own))
    assert (asked.status, "say --yes" in asked.err) == (2, True)
    ground.execute("UPDATE holystone_runs SET asked_for = NULL WHERE run_id = ?", of_its_own)
    refused(of_its_own, f"Run '{of_its_own}' of the journal was altered: its row in holystone_runs was edited")

    ground = prepare(flavour, drifted)
    undone = stopped_run(ground, run, stop)
    assert run(*words(ground, "undo", undone, "--yes")).status == 0
    refused(undone, f"Run '{undone}' was undone since")
    of_python = Application(ground.store, new_run("apply", plan="plan"))
    of_python.apply(make_plan(ground.store, select_checks(Level.deep)))
    refused(of_python.run_id, f"The journal does not say what run '{of_python.run_id}' was asked for", "repair apply")


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_nothing_is_left_to_do(prepare: Prepare, run: Run, stop: Stop, flavour: str) -> None:
    """Somebody else did the rest meanwhile: the run comes to its end, and has what it did."""
    ground = prepare(flavour, drifted)
    run_id = stopped_run(ground, run, stop)
    assert run(*words(ground, "apply", "--yes")).status == 0
    gone_on = run(*words(ground, "resume", run_id, "--yes", "--format", "json"))
    assert (gone_on.status, gone_on.json["run"], gone_on.json["applied"]) == (0, run_id, 0)
    assert_refused(run(*words(ground, "resume", run_id, "--yes")), "has come to its end")


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_who_writes_second_gives_way(prepare: Prepare, run: Run, stop: Stop, flavour: str) -> None:
    """One process has stood still, and another one goes on with its run."""
    ground = prepare(flavour, drifted)
    before = contents(ground.made)
    run_id = stopped_run(ground, run, stop)
    stood_still = Application(ground.store, read_run(ground.store, run_id))
    plan = make_plan(ground.store, select_checks(Level.deep))
    assert run(*words(ground, "resume", run_id, "--yes")).status == 0
    repaired = contents(ground.made)
    ground.execute("UPDATE executions SET status = 'Running', output = NULL WHERE instance_id = 'order-1'")
    with pytest.raises(JournalError, match="Something else has written to run"):
        stood_still.apply(plan)
    ground.execute("UPDATE executions SET status = 'Completed', output = '\"1\"' WHERE instance_id = 'order-1'")
    assert contents(ground.made) == repaired
    assert run(*words(ground, "undo", run_id, "--yes")).status == 0
    assert contents(ground.made) == before


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_what_is_stopped_while_it_reports_says_that_all_is_done(
    prepare: Prepare, run: Run, monkeypatch: pytest.MonkeyPatch, flavour: str
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(repairs, "report_text", stopped)
    ground = prepare(flavour, drifted)
    applied = run(*words(ground, "apply", "--yes"))
    (of_apply,) = read_runs(ground.store)
    run_id, number = of_apply.run_id, len(of_apply.changes)
    assert applied.status == 2
    assert f"Run {run_id} has come to its end: {number} rows repaired.\nWay back: " in applied.err
    undone = run(*words(ground, "undo", run_id, "--yes"))
    assert undone.status == 2
    assert f"has come to its end: {number} rows put back.\n" in undone.err
    assert "Go on: " not in applied.err + undone.err


MANY = 500


@pytest.fixture
def many(engine_store: MakeStore, flavour: Flavour) -> EngineStore:
    made = engine_store(ENGINES[-1], flavour, ())
    store = Store.open(made.target, made.schema)
    upgrade(store)
    with store.transaction() as connection:
        scribe = Scribe(connection, store.flavour)
        for number in range(MANY):
            scribe.execution(f"order-{number:04}", started(), completed(f'"{number}"'))
    made.execute(OLD_ENGINE)
    return made


def stopped_by(made: EngineStore, number: signal.Signals, rows_first: int, *command: str) -> None:
    """Send a signal to a command once the journal has so many rows."""
    arguments = [sys.executable, "-m", "holystone", "repair", command[0], made.target, *command[1:]]
    arguments += [*made.arguments[1:], "--yes"]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and made.execute("SELECT count(*) FROM holystone_changes") < [(rows_first,)]:
        time.sleep(0.001)
    process.send_signal(number)
    process.communicate()
    assert process.returncode in (2, -signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda one: one.name)
@pytest.mark.long
def test_what_a_signal_stopped_goes_on(many: EngineStore, number: signal.Signals) -> None:
    before = contents(many)

    def resumed(run_id: str) -> None:
        assert run_command(["repair", "resume", many.target, run_id, *many.arguments[1:], "--yes"]) == 0

    stopped_by(many, number, 1, "apply")
    store = Store.open(many.target, many.schema, read_only=True)
    (stopped,) = read_runs(store)
    assert 0 < len(stopped.changes) < MANY
    assert stopped.finished_at_ms is None
    resumed(stopped.run_id)
    assert run_command(["check", *many.arguments]) == 0
    (whole,) = read_runs(store)
    assert (whole.run_id, whole.altered) == (stopped.run_id, [])
    assert [entry.number for entry in whole.changes] == list(range(MANY))

    stopped_by(many, number, MANY + 1, "undo", whole.run_id)
    undo, _ = read_runs(store)
    assert 0 < len(undo.changes) < MANY
    resumed(undo.run_id)
    undo, whole = read_runs(store)
    assert (len(undo.changes), undo.altered, whole.altered) == (MANY, [], [])
    assert {entry.undone_by for entry in whole.changes} == {undo.run_id}
    assert contents(many) == before
