"""Files that commands write and read beside the store, and streams that are not what one thinks."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest

from .helpers import COMMAND, STALE, Run, Sample, assert_refused, clean_environment, holystone

pytestmark = pytest.mark.slow


OUTPUT = (["check", "--format", "json"], ["repair", "plan"])


@pytest.mark.parametrize("words", OUTPUT, ids=" ".join)
def test_a_folder_that_is_not_there_cannot_be_written_to(
    run: Run, sqlite_store: Sample, tmp_path: Path, words: list[str]
) -> None:
    result = run(*words, sqlite_store.target, "--output", str(tmp_path / "no" / "file"))
    assert_refused(result, "cannot be written: no such file or directory", "Name another file.")


@pytest.mark.parametrize("words", OUTPUT, ids=" ".join)
def test_a_folder_is_no_file(run: Run, sqlite_store: Sample, tmp_path: Path, words: list[str]) -> None:
    assert_refused(run(*words, sqlite_store.target, "--output", str(tmp_path)), "cannot be written: is a directory")


def test_a_name_that_is_too_long_cannot_be_written(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    result = run("check", sqlite_store.target, "--format", "json", "--output", str(tmp_path / ("x" * 300)))
    assert result.status == 2
    assert "cannot be written: file name too long" in result.err


def test_a_folder_without_permission_cannot_be_written_to(sqlite_store: Sample, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    result = holystone("check", sqlite_store.target, "--output", str(closed / "report"), unprivileged=True)
    assert_refused(result, "cannot be written: permission denied")
    assert not list(closed.iterdir())


def test_the_output_replaces_what_was_there_at_the_end(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text("older")
    assert run("check", sqlite_store.target, "--format", "json", "--output", str(file)).status == 0
    assert json.loads(file.read_text())["verdict"] == "clean"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_failure_leaves_the_older_output(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text("older")
    os.truncate(sqlite_store.target, 5000)
    assert run("check", sqlite_store.target, "--output", str(file)).status == 2
    assert file.read_text() == "older"


def test_the_output_has_the_mode_that_the_user_wishes(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    umask = os.umask(0o027)
    run("check", sqlite_store.target, "--output", str(tmp_path / "report"))
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o640


def test_the_output_keeps_the_mode_that_was_there(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text("older")
    file.chmod(0o604)
    run("check", sqlite_store.target, "--output", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o604
    assert "Clean." in file.read_text()


def database(store: Path, folder: Path) -> dict[str, Path]:
    """Return names under which a database, or what belongs to it, would be overwritten."""
    other = folder / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (a)")
        (folder / "copied-log").write_bytes((folder / "other.db-wal").read_bytes())
    (folder / "link").symlink_to(store)
    (folder / "second-name").hardlink_to(other)
    return {
        "itself": store,
        "a link to it": folder / "link",
        "another name of one": folder / "second-name",
        "its log": store.with_name(f"{store.name}-wal"),
        "its index of the log": store.with_name(f"{store.name}-shm"),
        "its journal": store.with_name(f"{store.name}-journal"),
        "another database": other,
        "a log": folder / "copied-log",
    }


@pytest.mark.parametrize("words", OUTPUT, ids=" ".join)
def test_a_database_is_never_written_over(run: Run, sqlite_store: Sample, tmp_path: Path, words: list[str]) -> None:
    for what, file in database(Path(sqlite_store.target), tmp_path).items():
        before = {path: path.read_bytes() for path in (*tmp_path.iterdir(), file) if path.is_file()}
        result = run(*words, sqlite_store.target, "--output", str(file))
        assert_refused(result, "is a database, or belongs to one", "Name another file.")
        assert {path: path.read_bytes() for path in before} == before, what
        assert file.exists() == (file in before)


def test_a_file_of_a_server_is_never_written_over(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("17\n")
    (tmp_path / "base" / "5").mkdir(parents=True)
    for file in (tmp_path / "base" / "5" / "1259", tmp_path / "postgresql.conf"):
        assert_refused(run("check", sqlite_store.target, "--output", str(file)), "is a database, or belongs to one")
        assert not file.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a link of somebody else's")
@pytest.mark.parametrize("where", ["file", "folder"])
def test_a_link_of_a_stranger_is_not_followed(run: Run, sqlite_store: Sample, tmp_path: Path, where: str) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "report").write_text("precious")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "ours" / "report" if where == "file" else tmp_path / "ours")
    os.lchown(link, 65534, 65534)
    named = link if where == "file" else link / "report"
    assert_refused(run("check", sqlite_store.target, "--output", str(named)), f"{link} is a link of another user")
    assert (tmp_path / "ours" / "report").read_text() == "precious"


def test_a_link_stays_a_link(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("report")
    run("check", sqlite_store.target, "--output", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert "Clean." in (tmp_path / "report").read_text()


def test_a_pipe_stays_a_pipe(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    """As /dev/stdout and /dev/null do: to replace those by a file would break the whole machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert run("check", sqlite_store.target, "--output", str(pipe)).status == 0
    reader.join()
    assert pipe.is_fifo()
    assert "Clean." in read[0]


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "{}", '{"findings": null}', '{"findings": [{}]}', '{"findings": [[]]}', "[" * 100_000],
    ids=lambda text: text[:20] or "nothing",
)
def test_what_is_no_report_is_no_baseline(run: Run, sqlite_store: Sample, tmp_path: Path, text: str) -> None:
    baseline = tmp_path / "baseline.json"
    baseline.write_text(text)
    result = run("check", sqlite_store.target, "--baseline", str(baseline))
    assert_refused(result, "is no report of holystone", "--format json")


def test_a_baseline_that_cannot_be_read_is_refused(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    assert_refused(run("check", sqlite_store.target, "--baseline", str(tmp_path / "no")), "cannot be read: no such")
    assert_refused(run("check", sqlite_store.target, "--baseline", str(tmp_path)), "cannot be read: is a directory")
    (tmp_path / "binary").write_bytes(b"\xff")
    assert_refused(run("check", sqlite_store.target, "--baseline", str(tmp_path / "binary")), "it is not UTF-8 text")


def start(*words: str, stdout: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*COMMAND, *words], stdout=stdout, stderr=subprocess.PIPE, env=clean_environment())


@pytest.mark.parametrize(
    "words",
    [
        ["check", "TARGET"],
        ["check", "TARGET", "--format", "json"],
        ["checks"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_a_reader_that_has_gone_is_no_finding_and_no_fault(sqlite_store: Sample, words: list[str]) -> None:
    sqlite_store.execute(STALE)
    ours, theirs = os.pipe()
    os.close(ours)
    process = start(*(sqlite_store.target if word == "TARGET" else word for word in words), stdout=theirs)
    os.close(theirs)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (2, b"")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full here")
@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_full_disk_is_no_clean_store(sqlite_store: Sample, format_: str) -> None:
    with open("/dev/full", "wb") as full:
        process = start("check", sqlite_store.target, "--format", format_, stdout=full.fileno())
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith(b"Error: The output cannot be written: no space left on device.\nNext: ")


@pytest.mark.parametrize(
    ("closed", "format_"), [("<&-", "text"), (">&-", "text"), (">&-", "json"), ("<&- >&- 2>&-", "json")]
)
def test_a_stream_that_is_closed_changes_no_verdict(sqlite_store: Sample, closed: str, format_: str) -> None:
    sqlite_store.execute(STALE)
    before = Path(sqlite_store.target).read_bytes()
    words = [*COMMAND, "check", sqlite_store.target, "--format", format_]
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {closed}', "sh", *words], capture_output=True, env=clean_environment(), timeout=60
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert Path(sqlite_store.target).read_bytes() == before
