"""Making a store: whole or not at all, and never where anything is."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cli.helpers import assert_refused, clean_environment, contents, holystone
from conftest import ENGINES, available
from engine.engines import start_driver
from holystone.errors import TargetError
from holystone.migrate import create, toolkit_revision
from holystone.store import Store
from holystone.store.toolkit import REVISIONS

from .structure import ledger, structure

pytestmark = pytest.mark.long

NEWEST = list(REVISIONS)[-1]
TESTS = Path(__file__).parents[1]


def start_upgrade(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "holystone", "migrate", "upgrade", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=clean_environment())


def test_the_command_makes_a_store_and_says_so(path: Path) -> None:
    result = holystone("migrate", "upgrade", str(path))
    assert (result.status, result.err) == (0, "")
    assert result.out == f"Made the store {path} (engine migration 20240112000000).\n"
    assert holystone("migrate", "upgrade", str(path)).out == "Nothing to do: the newest revision is there.\n"
    status = holystone("migrate", "status", str(path), "--format", "json").json
    shape, engines = status.pop("shape"), status.pop("engines")
    assert {one["state"] for one in status.pop("revisions")} == {"applied"}
    assert (engines["wrote"], engines["migrated"][-1]) == ([], engines["opening"][-1])
    assert status == {
        "schema": 1,
        "engine_migration": "20240112000000",
        "store_revision": "s0012",
        "toolkit_revision": NEWEST,
        "pending": [],
        "due": [],
        "lacking": [],
        "adopted": None,
    }
    assert shape == {
        "name": "migrated (engine migration 20240112000000)",
        "known": True,
        "differences": [],
        "additions": [],
    }
    report = holystone("check", str(path), "--level", "deep", "--format", "json").json
    assert report["verdict"] == "clean"
    assert report["store"]["toolkit_revision"] == NEWEST
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_one_that_may_be_misspelt_is_told_of(path: Path) -> None:
    create(str(other := path.with_name("orders.db")))
    path.with_name("ordres.txt").write_text("no store")
    made = holystone("migrate", "upgrade", str(misspelt := path.with_name("ordres.db")))
    assert made.out == f"Made the store {misspelt} (engine migration 20240112000000).\n"
    assert made.err == f"It is new and empty. {other} is spelt like it: where that was meant, remove this one.\n"
    assert holystone("migrate", "upgrade", str(misspelt)).err == ""
    assert holystone("migrate", "upgrade", str(path.with_name("new-one.db"))).err == ""


@pytest.mark.parametrize("name", ["with space.db", "100%.db", "question?.db", "🧽.db", "'quote'.db", "x" * 250])
def test_a_store_may_have_any_name(tmp_path: Path, name: str) -> None:
    store = create(str(tmp_path / name))
    assert store.engine_migration == "20240112000000"
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_url_and_a_schema_of_the_environment_name_a_file_too(path: Path) -> None:
    environment = {"HOLYSTONE_TARGET": f"sqlite:///{path}", "HOLYSTONE_SCHEMA": "engine"}
    assert holystone("migrate", "upgrade", environment=environment).out.startswith(f"Made the store {path} ")


def test_a_new_store_has_the_mode_that_the_user_wishes(path: Path) -> None:
    umask = os.umask(0o027)
    create(str(path))
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def dangling(path: Path) -> str:
    path.symlink_to(path.parent / "nowhere.db")
    return "There is no file"


def beside(suffix: str) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        Path(f"{path}{suffix}").write_bytes(b"\0" * 512)
        return f"{path}{suffix} is there, with writes of a database that is gone"

    return make


@pytest.mark.parametrize("make", [dangling, beside("-wal"), beside("-journal")], ids=["link", "wal", "journal"])
def test_what_is_in_the_way_is_left_alone(path: Path, make: Callable[[Path], str]) -> None:
    says = make(path)
    before = contents(path.parent)
    assert_refused(holystone("migrate", "upgrade", str(path)), says)
    assert contents(path.parent) == before


def a_store(path: Path) -> str:
    return str(create(str(path)).target)


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, dangling, a_store], ids=["file", "folder", "link", "store"])
def test_nothing_is_made_where_anything_is(path: Path, make: Callable[[Path], object]) -> None:
    make(path)
    before = contents(path.parent)
    with pytest.raises(TargetError, match=r"is there already\.$"):
        create(str(path))
    assert contents(path.parent) == before


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no/such/folder/made.db", "There is no folder"),
        ("x" * 256, "cannot be made: file name too long"),
        ("folder/", "names a folder"),
        ("made.db/below.db", "There is no folder"),
    ],
)
def test_bad_names_are_refused_and_nothing_is_made(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "made.db").touch()
    assert_refused(holystone("migrate", "upgrade", name, folder=tmp_path), says)
    assert [one.name for one in tmp_path.iterdir()] == ["made.db"]


def test_a_schema_is_refused_for_a_file(path: Path) -> None:
    assert_refused(holystone("migrate", "upgrade", str(path), "--schema", "x"), "no schemas")
    assert not path.exists()


def test_a_folder_without_permission_gets_no_store(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    result = holystone("migrate", "upgrade", str(closed / "made.db"), unprivileged=True)
    assert_refused(result, "cannot be made: permission denied")
    assert not list(closed.iterdir())


def test_other_commands_make_nothing(path: Path) -> None:
    for command in (["check"], ["repair", "plan"], ["repair", "apply", "--yes"], ["migrate", "status"]):
        assert_refused(holystone(*command, str(path)), "There is no file")
    assert not list(path.parent.iterdir())


@pytest.mark.long
def test_a_full_disk_leaves_nothing(path: Path) -> None:
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))\n"
        "from holystone.cli.main import run\n"
        "sys.exit(run(['migrate', 'upgrade', sys.argv[2]]))\n"
    )
    for size in (0, 2_000, 50_000, 100_000, 150_000):
        command = [sys.executable, "-c", script, str(size), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
        assert done.returncode == 2, size
        assert "fault of holystone" not in done.stderr
        assert str(path) in done.stderr
        assert not list(path.parent.iterdir())


@pytest.mark.long
def test_killed_at_any_step_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "migrate.kill_everywhere", str(tmp_path)]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    kills = json.loads(done.stdout)
    assert len(kills) > 60
    assert {(ended, then) for _, ended, _, then in kills} == {(-signal.SIGKILL, 0)}, done.stderr
    # The file has its name at once and whole, after all that is written and before the store is opened.
    assert not list(tmp_path.glob(".holystone-*"))
    named = [there for _, _, there, _ in kills]
    assert named == sorted(named)
    assert set(named) == {False, True}
    shape = structure(tmp_path / "unhurt.db")
    for step, *_ in kills:
        path = tmp_path / f"killed-{step}.db"
        assert structure(path) == shape
        assert toolkit_revision(Store.open(str(path), read_only=True)) == NEWEST


@pytest.mark.parametrize("attempt", [0, *(pytest.param(one, marks=pytest.mark.long) for one in range(1, 5))])
def test_of_two_at_once_one_creates(path: Path, attempt: int) -> None:
    processes = [start_upgrade(str(path)) for _ in range(3)]
    said = [process.communicate() for process in processes]
    created = [out for out, _ in said if out.startswith("Made the store")]
    assert len(created) == 1
    for process, (out, err) in zip(processes, said, strict=True):
        assert (process.returncode, err) == (0, "")
        assert out in (*created, "Nothing to do: the newest revision is there.\n")
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("version", ENGINES)
def test_an_engine_that_starts_meanwhile_is_not_harmed(path: Path, version: str) -> None:
    available(version)
    upgrade = start_upgrade(str(path))
    engine = start_driver(version, "create", path)
    _, complained = engine.communicate(timeout=60)
    _, said = upgrade.communicate(timeout=60)
    assert engine.returncode == 0, complained
    # Whoever came first made the store. Where the engine was in the middle of it, holystone says so.
    assert upgrade.returncode in (0, 2)
    assert "fault of holystone" not in said
    assert len(ledger(path)) == 12
