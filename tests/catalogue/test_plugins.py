"""Others' checks are found through the entry point, by the road that the project's own take."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ENGINES, SQLITE_AND_LONG_POSTGRESQL, Flavour, MakeStore, one_and_long
from holystone.errors import CatalogueError
from holystone.scan.catalogue import checks, select_checks
from holystone.scan.check import Level

pytestmark = pytest.mark.slow


PLUGIN = """
from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity, no_cause
from holystone.scan.relations.instances import INSTANCES

CHECK = Check(
    id="X001", name="too-many-executions", title="An instance has too many executions", severity=Severity.warning,
    level=Level.quick, flavours=BOTH, relation=INSTANCES,
    violated=lambda instance: instance.highest_execution_id > 2,
    expects=lambda facts: [facts.current_execution_id.expecting(2)], cause=no_cause,
    message="it is at {observed[current_execution_id]}",
    asserts="a", harm="h", how_to_look="l", false_alarms="f", example="e",
    repair=NoRepair("it is only a matter of taste"),
)
"""


def holystone(plugins: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(plugins)}
    command = [sys.executable, "-m", "holystone", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    metadata = tmp_path / "taste-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: taste\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[holystone.checks]\ntaste = taste_checks\n")
    (tmp_path / "taste_checks.py").write_text(PLUGIN)
    return tmp_path


def test_plugin_is_listed_and_runs(plugins: Path, engine_store: MakeStore, flavour: Flavour) -> None:
    assert "X001" in holystone(plugins, "checks").stdout
    store = engine_store(ENGINES[-1], flavour, ["chains"])
    done = holystone(plugins, "check", *store.arguments, "--select", "x001", "--fail-on", "warning")
    assert (done.returncode, done.stderr) == (1, "")
    assert "X001 too-many-executions  warning" in done.stdout
    assert "it is at 3" in done.stdout
    assert "No repair: it is only a matter of taste." in done.stdout


BROKEN = {
    "import nothing_by_this_name": "cannot be loaded: ModuleNotFoundError",
    "": "taste_checks declares no CHECK",
    PLUGIN.replace("X001", "E001"): "call themselves E001",
    "raise SystemExit(0)": "cannot be loaded: SystemExit: 0",
    "raise SystemExit": "cannot be loaded: SystemExit",
    "import sys; sys.exit('bye')": "cannot be loaded: SystemExit: bye",
    "raise BaseException('odd \x1b[2J')": r"cannot be loaded: BaseException: odd \x1b[2J",
    "CHECK = 7": "taste_checks declares no CHECK",
    "CHECK = (": "cannot be loaded: SyntaxError",
    PLUGIN.replace('"X001"', "None"): "its id is no word",
    PLUGIN.replace('"X001"', '"X 1\\x1b"'): "its id is no word",
    PLUGIN.replace("Severity.warning", '"warning"'): "its severity is of another type",
    PLUGIN.replace("Level.quick", "1"): "its level is of another type",
    PLUGIN.replace("flavours=BOTH", "flavours='sqlite'"): "its flavours is of another",
    PLUGIN.replace("relation=INSTANCES", "relation=None"): "its relation is of another type",
    PLUGIN.replace('harm="h"', "harm=None"): "its harm is of another type",
    PLUGIN.replace("cause=no_cause", "cause='none'"): "its cause is of another type",
}


QUICK = ("raise SystemExit(0)",)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(written, id=says, marks=[] if written in QUICK else [pytest.mark.long])
        for written, says in BROKEN.items()
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_named_and_the_others_run(
    plugins: Path, engine_store: MakeStore, written: str
) -> None:
    (plugins / "taste_checks.py").write_text(written, encoding="unicode_escape" if "\x1b" in written else "utf-8")
    says = BROKEN[written]
    listed = holystone(plugins, "checks")
    assert (listed.returncode, "E001" in listed.stdout, "X001" in listed.stdout) == (2, True, False)
    assert says in listed.stderr
    store = engine_store(ENGINES[-1], "sqlite", ["chains"])
    store.execute("UPDATE executions SET completed_at = NULL")
    done = holystone(plugins, "check", *store.arguments, "--format", "json")
    report = json.loads(done.stdout)
    outcomes = {check["id"]: check["outcome"] for check in report["checks"]}
    assert (done.returncode, report["verdict"], outcomes["E003"]) == (2, "incomplete", "found")
    assert len(report["not_loaded"]) == 1
    for said in (done.stderr, listed.stderr, holystone(plugins, "check", *store.arguments).stderr):
        assert says in said
        assert "Traceback" not in said
        assert "fault of holystone" not in said
        assert "\x1b" not in said
    chosen = holystone(plugins, "check", *store.arguments, "--select", "E003")
    assert (chosen.returncode, chosen.stderr) == (1, "")
    planned = holystone(plugins, "repair", "plan", *store.arguments)
    assert (planned.returncode, planned.stdout) == (2, "")
    assert says in planned.stderr


def test_without_a_plugin_nothing_is_recorded_as_verified(plugins: Path, engine_store: MakeStore) -> None:
    (plugins / "taste_checks.py").write_text("raise SystemExit")
    store = engine_store(ENGINES[-1], "sqlite", ["chains"])
    assert holystone(plugins, "check", *store.arguments, "--since", "last").returncode == 2
    tables = store.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'holystone%'")
    assert tables == [(0,)]


NOISY = """
import atexit, logging, sys
print("{")
sys.stdout.write("noise")
logging.basicConfig(stream=sys.stdout, level=0)
logging.warning("logged")
""" + PLUGIN.replace(
    "violated=lambda instance: instance", "violated=lambda instance: print('{') or logging.error('x') or instance"
).replace("expects=lambda facts: [", "expects=lambda facts: print('[') or [")


@pytest.mark.parametrize("format_", one_and_long(["json", "jsonl", "text"]))
def test_what_a_plugin_prints_is_no_part_of_the_report(plugins: Path, engine_store: MakeStore, format_: str) -> None:
    store = engine_store(ENGINES[-1], "sqlite", ["chains"])
    words = ("check", *store.arguments, "--format", format_, "--select", "X001", "--fail-on", "info")
    quiet = holystone(plugins, *words)
    (plugins / "taste_checks.py").write_text(NOISY)
    noisy = holystone(plugins, *words)
    assert (quiet.returncode, noisy.returncode) == (1, 1)
    assert "noise" in noisy.stderr
    assert "logged" in noisy.stderr
    for line in noisy.stdout.splitlines() if format_ == "jsonl" else [noisy.stdout]:
        assert "{" not in noisy.stdout if format_ == "text" else json.loads(line)
    assert len(noisy.stdout.splitlines()) == len(quiet.stdout.splitlines())
    assert json.loads(holystone(plugins, "checks", "--format", "json").stdout)


HANGING = {
    "violated": PLUGIN.replace(
        "violated=lambda instance: ", "violated=lambda instance: __import__('time').sleep(99) or "
    ),
    "expects": PLUGIN.replace("expects=lambda facts: ", "expects=lambda facts: [0 for _ in iter(int, 1)] or "),
    "import": "while True: pass",
}


@pytest.mark.long
@pytest.mark.parametrize("where", HANGING)
def test_a_plugin_that_hangs_is_named_and_can_be_stopped(plugins: Path, engine_store: MakeStore, where: str) -> None:
    (plugins / "taste_checks.py").write_text(HANGING[where])
    store = engine_store(ENGINES[-1], "sqlite", ["chains"])
    command = [sys.executable, "-m", "holystone", "check", *store.arguments, "--format", "json"]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(plugins)},
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.startswith("Still at work: the ")
        assert "taste" in said
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 2
        assert process.stderr.read().strip() == "Stopped; nothing more was done."


EXPECTS = "expects=lambda facts: [facts.current_execution_id.expecting(2)]"
FAILING = [
    ("violated=lambda instance: instance", "violated=lambda instance: exit(0) or instance"),
    ("violated=lambda instance: instance.highest", "violated=lambda instance: instance.hightest"),
    ("violated=lambda instance: instance.highest_execution_id > 2", "violated=lambda instance: 7"),
    ("violated=lambda instance: ", "violated=lambda: "),
    (EXPECTS, "expects=lambda facts: 1 / 0"),
    (EXPECTS, "expects=lambda facts: exit(0)"),
    (EXPECTS, "expects=lambda facts: ['x']"),
    (EXPECTS, "expects=lambda facts: {1: 2}"),
    (EXPECTS, "expects=lambda facts: [facts.nothing]"),
    (
        EXPECTS,
        "expects=lambda facts: [facts.current_execution_id.expecting(object())]",
    ),
    ("cause=no_cause", "cause=lambda facts: facts.nothing"),
    ("cause=no_cause", "cause=lambda facts: 7"),
    ("cause=no_cause", "cause=lambda facts: (_ for _ in ()).throw(BaseException('odd'))"),
    ("it is at {observed[current_execution_id]}", "it is at {observed[nothing]}"),
    ("it is at {observed[current_execution_id]}", "it is at {"),
    ("it is at {observed[current_execution_id]}", "it is at {0}"),
]


@pytest.mark.parametrize(
    ("sound", "broken"),
    [*FAILING[:3], *(pytest.param(*one, marks=pytest.mark.long) for one in FAILING[3:])],
)
def test_plugin_that_fails_is_told_and_the_others_run(
    plugins: Path, engine_store: MakeStore, sound: str, broken: str
) -> None:
    assert sound in PLUGIN
    (plugins / "taste_checks.py").write_text(PLUGIN.replace(sound, broken))
    store = engine_store(ENGINES[-1], "sqlite", ["chains"])
    store.execute("UPDATE executions SET completed_at = NULL")
    done = holystone(plugins, "check", *store.arguments, "--format", "json")
    report = json.loads(done.stdout)
    outcomes = {check["id"]: check["outcome"] for check in report["checks"]}
    assert (done.returncode, report["verdict"], outcomes["X001"], outcomes["E003"]) == (
        2,
        "incomplete",
        "failed",
        "found",
    )
    assert "Error: " in done.stderr
    assert "taste" in done.stderr
    assert "Traceback" not in done.stderr


REPAIR = """
from holystone.mend.repair import Repair, Safety, always, set_expected

REPAIR = Repair(
    id="taste-repair", title="t", safety=Safety.unsafe, applies=always,
    steps=lambda facts: set_expected(facts.current_execution_id),
    does="d", loses="l", needs="n", undone="u",
)
"""


@pytest.mark.parametrize(
    ("sound", "broken"),
    one_and_long(
        [
            ("applies=always", "applies=lambda facts: exit(0)"),
            ("applies=always", "applies=lambda facts: 7"),
            ("steps=lambda facts: set_expected(facts.current_execution_id)", "steps=lambda facts: 1 / 0"),
            ("steps=lambda facts: set_expected(facts.current_execution_id)", "steps=lambda facts: [None]"),
            ("Safety.unsafe", "None"),
            ("REPAIR = Repair(", "raise BaseException\nREPAIR = Repair("),
        ]
    ),
)
def test_a_repair_that_fails_is_named(plugins: Path, engine_store: MakeStore, sound: str, broken: str) -> None:
    metadata = plugins / "taste-1.0.dist-info" / "entry_points.txt"
    metadata.write_text(metadata.read_text() + "[holystone.repairs]\ntaste = taste_repairs\n")
    check = PLUGIN.replace('NoRepair("it is only a matter of taste")', '"taste-repair"')
    (plugins / "taste_checks.py").write_text(check)
    (plugins / "taste_repairs.py").write_text(REPAIR.replace(sound, broken))
    store = engine_store(ENGINES[-1], "sqlite", ["chains"])
    for format_ in ("json", "text"):
        done = holystone(plugins, "check", *store.arguments, "--format", format_, "--fail-on", "warning")
        assert done.returncode == 1
        assert done.stderr == ""
    planned = holystone(plugins, "repair", "plan", *store.arguments)
    assert (planned.returncode, planned.stdout) == (2, "")
    assert "taste" in planned.stderr
    assert "Mend or uninstall taste." in planned.stderr


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_rows_whose_check_fails_stay_and_that_is_why(
    plugins: Path, engine_store: MakeStore, flavour: Flavour, tmp_path: Path
) -> None:
    metadata = plugins / "taste-1.0.dist-info" / "entry_points.txt"
    metadata.write_text(metadata.read_text() + "[holystone.repairs]\ntaste = taste_repairs\n")
    check = PLUGIN.replace('NoRepair("it is only a matter of taste")', '"taste-repair"')
    failing = check.replace(EXPECTS, "expects=lambda facts: 1 / 0")
    (plugins / "taste_checks.py").write_text(check)
    repair = REPAIR.replace("(facts.current_execution_id)", "(facts.current_execution_id.expecting(2))")
    (plugins / "taste_repairs.py").write_text(repair)
    target, *schema = engine_store(ENGINES[-1], flavour, ["chains"]).arguments
    plan, unsafe = str(tmp_path / "plan.json"), ["--unsafe", "taste-repair", "--yes", "--format", "json", *schema]
    holystone(plugins, "repair", "plan", target, "--select", "X001", "-o", plan, *schema)

    def left(*words: str) -> tuple[int, str]:
        """Run a command while the check fails; return how many rows it changed, and why not the others."""
        (plugins / "taste_checks.py").write_text(failing)
        report = json.loads(holystone(plugins, "repair", *words).stdout)
        (plugins / "taste_checks.py").write_text(check)
        assert report["left"] > 0
        (why,) = {one["why"] for one in report["skipped"]}
        return report["applied"], why

    says = "X001 could not look: The check X001 of taste failed: its expects ended in ZeroDivisionError"
    applied, why = left("apply", target, plan, *unsafe)
    assert (applied, says in why) == (0, True), why
    done = json.loads(holystone(plugins, "repair", "apply", target, plan, *unsafe).stdout)
    assert done["applied"] > 0
    undone, why = left("undo", target, done["run"], "--yes", "--format", "json", *schema)
    assert (undone, says in why) == (0, True), why
    whole = json.loads(holystone(plugins, "repair", "undo", target, done["run"], *unsafe[2:]).stdout)
    assert (whole["applied"], whole["left"]) == (done["applied"], 0)


def test_an_installation_without_checks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its entry points are gone, or lead nowhere: nothing that the user has selected is at fault."""
    monkeypatch.setattr(checks(), "by_id", {})
    with pytest.raises(CatalogueError, match="finds none of its checks"):
        select_checks(Level.quick)
