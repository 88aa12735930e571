"""The files of examples/: their commands run, their readers take them, the roles can what they are for."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from cli.conftest import *  # noqa: F403 (stores of both flavours, and commands run in this process)
from cli.helpers import SCHEMA, STALE, Run, Sample

EXAMPLES = Path(__file__).parents[2] / "examples"


def commands(file: str) -> list[list[str]]:
    """Return the words behind `holystone` of each command in a file."""
    text = re.sub(r"\n {10}(?=--)", " ", (EXAMPLES / file).read_text())
    found = re.findall(r"holystone (check .*)", text)
    return [shlex.split(line.replace("'$ARG1$' --schema '$ARG2$'", "")) for line in found]


FILES = [
    "cron/holystone",
    "systemd/holystone-check.service",
    "nagios/holystone.cfg",
    "github/holystone.yml",
    "gitlab/holystone.gitlab-ci.yml",
    "pre-commit/pre-commit-config.yaml",
]


def test_the_table_names_each_file() -> None:
    named = set(re.findall(r"\]\(([\w./-]+)\)", (EXAMPLES / "README.md").read_text()))
    there = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file()}
    assert named == there - {"README.md"}


@pytest.mark.parametrize("file", FILES)
def test_its_commands_run(
    run: Run, sqlite_store: Sample, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    places = {"/var/lib/holystone": str(tmp_path), "$GITHUB_STEP_SUMMARY": "summary.md"}
    found = commands(file)
    assert found
    for words in found:
        for written, here in places.items():
            words = [word.replace(written, here) for word in words]
        assert run(*words, sqlite_store.target).status == 0
    sqlite_store.execute(STALE)
    afresh = ["beginning" if word == "last" else word for word in words]
    assert run(*afresh, sqlite_store.target).status == (2 if "nagios" in file else 1)


GATES = ["github/gate.yml", "gitlab/gate.gitlab-ci.yml", "kubernetes/gate.yaml"]


def gate_of(file: str) -> tuple[list[str], str | None]:
    """Return the words of the command, and the file that its output goes to."""
    text = (EXAMPLES / file).read_text()
    if file.startswith("kubernetes"):
        [args] = re.findall(r"args: (\[.*\])", text)
        return json.loads(args), None
    [line] = re.findall(r"holystone (gate .*)", text)
    words, _, to = line.partition(" >> ")
    return shlex.split(words), shlex.split(to)[0] if to else None


@pytest.mark.parametrize("file", GATES)
def test_a_gate_lets_a_sound_store_by_and_no_other(
    run: Run, breakable: Sample, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, to = gate_of(file)
    assert to in (None, "$GITHUB_STEP_SUMMARY")
    assert "needs: gate" in (text := (EXAMPLES / file).read_text()) or "stages:\n  - gate\n" in text or "Job" in text
    # As in the job: the environment alone names the store.
    monkeypatch.setenv("HOLYSTONE_TARGET", breakable.target)
    if breakable.schema is not None:
        monkeypatch.setenv("HOLYSTONE_SCHEMA", breakable.schema)
    sound = run(*words)
    assert (sound.status, sound.err) == (0, "")
    breakable.execute(STALE)
    refused = run(*words)
    assert (refused.status, refused.err) == (1, "")
    assert "G016" in refused.out


def test_the_units_of_systemd_verify(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    units = [shutil.copy(unit, tmp_path) for unit in (EXAMPLES / "systemd").iterdir()]
    done = subprocess.run([verify, "verify", "--man=no", *units], capture_output=True, text=True, timeout=60)
    complaints = [line for line in done.stderr.splitlines() if "holystone-check" in line]
    assert (done.returncode, complaints) == (0, [])


def test_the_rules_of_prometheus_are_taken() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; Debian has it in the package prometheus")
    rules = EXAMPLES / "prometheus" / "holystone.rules.yml"
    done = subprocess.run([promtool, "check", "rules", str(rules)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_dashboard_ask_for_metrics_that_there_are(run: Run, sqlite_store: Sample) -> None:
    there = set(re.findall(r"^# TYPE (\w+)", run("check", *sqlite_store.words, "--format", "prometheus").out, re.M))
    for file in ("prometheus/holystone.rules.yml", "grafana/holystone.json"):
        asked = set(re.findall(r"\b(holystone_(?:check|build)_\w+)", (EXAMPLES / file).read_text()))
        assert asked
        assert asked <= there, file
    json.loads((EXAMPLES / "grafana" / "holystone.json").read_text())


@pytest.fixture
def roles(run: Run, postgresql_database: Sample) -> Iterator[Sample]:
    """A store whose owner has run roles.sql; the roles are of the whole server, and go with the test."""
    assert run("migrate", "upgrade", *postgresql_database.words).status == 0
    psql = shutil.which("psql")
    if psql is None:
        pytest.skip("psql is not installed")
    words = [psql, "-X", "-q", "-v", f"schema={SCHEMA}", "-f", str(EXAMPLES / "postgresql" / "roles.sql")]
    subprocess.run([*words, postgresql_database.target], check=True, capture_output=True, timeout=60)
    with psycopg.connect(postgresql_database.target, autocommit=True) as connection:
        for role in ("holystone_check", "holystone_repair"):
            connection.execute(f"ALTER ROLE {role} PASSWORD 'secret'".encode())
        yield postgresql_database
        for role in ("holystone_repair", "holystone_check"):
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def refused(store: Sample, role: str, statement: str) -> bool:
    with psycopg.connect(store.seen_by(role).target) as connection:
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(SCHEMA)))
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return True
        finally:
            connection.rollback()
    return False


WRITES = (
    "UPDATE executions SET status = 'Failed'",
    "DELETE FROM history",
    "INSERT INTO kv_store SELECT * FROM kv_store",
    "TRUNCATE history",
)
CHANGES = ("CREATE TABLE mine (id INT)", "ALTER TABLE history ADD mine TEXT", "DROP TABLE history", "TRUNCATE history")


def test_the_role_that_checks_can_read_and_nothing_else(
    run: Run, roles: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    seen = roles.seen_by("holystone_check")
    for words in (["check", "--level", "deep"], ["check", "--since", "last"], ["repair", "plan"], ["repair", "log"]):
        result = run(*words, *seen.words)
        assert (result.status, result.err) == (0, ""), words
    assert run("why", *seen.words[:1], "order-3", *seen.words[1:]).status == 0
    roles.execute(STALE)
    assert run("check", *seen.words).status == 1
    assert run("repair", "apply", *seen.words, "--yes").status == 2
    assert all(refused(roles, "holystone_check", statement) for statement in (*WRITES, *CHANGES))


def test_the_role_that_repairs_can_repair_and_change_no_table(run: Run, roles: Sample) -> None:
    seen = roles.seen_by("holystone_repair")
    roles.execute(STALE)
    applied = run("repair", "apply", *seen.words, "--yes", "--format", "json")
    assert (applied.status, applied.json["left"]) == (0, 0)
    assert run("check", *seen.words).status == 0
    assert run("repair", "undo", *seen.words[:1], applied.json["run"], "--yes", *seen.words[1:]).status == 0
    assert run("check", *seen.words).status == 1
    assert all(refused(roles, "holystone_repair", statement) for statement in CHANGES)
