"""Completion in real shells: what TAB makes of a line that is begun, and what the shell then takes it for.

The installed scripts of `share` are loaded as a shell that was started by hand loads them. Where a shell is missing its
tests are skipped, and say so.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from .helpers import Run, Sample

pexpect = pytest.importorskip("pexpect", reason="pexpect, which needs a terminal of Unix")

pytestmark = pytest.mark.slow

SHARE = Path(__file__).parents[2] / "share"
READY = "ready>"
SHELLS = {
    "bash": ["--norc", "--noprofile", "-i"],
    "zsh": ["-f", "-i"],
    "fish": ["--no-config", "--interactive"],
}
BEGIN = {
    "bash": f"""
        PS1='{READY}'; PS2=; bind 'set enable-bracketed-paste off'; bind 'set bell-style none'
        taken() {{ printf '{{%s}}' "$@"; echo; }}
        . {SHARE}/bash-completion/completions/holystone
    """,
    "zsh": f"""
        PROMPT='{READY}'; unsetopt zle_bracketed_paste prompt_sp prompt_cr; bindkey -e
        taken() {{ printf '{{%s}}' "$@"; echo }}
        fpath=({SHARE}/zsh/site-functions $fpath); autoload -U compinit; compinit -D -u
    """,
    "fish": f"""
        function fish_prompt; printf '{READY}'; end; function fish_greeting; end
        function taken; printf '{{%s}}' $argv; echo; end
        source {SHARE}/fish/vendor_completions.d/holystone.fish
    """,
}
Complete = Callable[[str], list[str]]


@pytest.fixture(params=SHELLS)
def complete(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Complete]:
    """Type a line and TAB in a shell, in a folder of its own; return the words that the shell takes the line for."""
    shell = shutil.which(request.param)
    if shell is None:
        pytest.skip(f"there is no {request.param} here")
    environment = {
        **os.environ,
        "TERM": "dumb",
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
    }
    child = pexpect.spawn(
        shell, SHELLS[request.param], cwd=tmp_path, env=environment, encoding="utf-8", timeout=60, dimensions=(40, 400)
    )
    child.delaybeforesend = 0.1
    for line in BEGIN[request.param].strip().splitlines():
        child.sendline(line.strip())
    child.sendline("taken begun")
    child.expect_exact("{begun}")

    def words(line: str) -> list[str]:
        child.expect_exact(READY)
        child.send(f"holystone {line}\t")
        # A shell takes no key while it completes; what follows waits for it in the terminal.
        child.sendline("\x01taken \x05")
        child.expect(r"\{holystone\}(\{[^\r\n]*\})\r?\n")
        return re.findall(r"\{(.*?)\}", child.match[1])

    yield words
    child.close(force=True)


@pytest.mark.parametrize(
    ("begun", "taken"),
    [
        ("expl", ["explain"]),
        ("repair appl", ["repair", "apply"]),
        ("check --max", ["check", "--max-findings"]),
        ("check --format sa", ["check", "--format", "sarif"]),
        ("check --report jun", ["check", "--report", "junit="]),
        ("explain E00", ["explain", "E00"]),
        ("explain S01", ["explain", "S010"]),
        ("explain completed-at-miss", ["explain", "completed-at-missing"]),
        ("check x.db --select status-mism", ["check", "x.db", "--select", "status-mismatch"]),
    ],
)
def test_words_of_its_own(complete: Complete, begun: str, taken: list[str]) -> None:
    assert complete(begun) == taken


def test_files(complete: Complete, sqlite_store: Sample, tmp_path: Path) -> None:
    store = Path(sqlite_store.target).rename(tmp_path / "drift of June.db")
    assert complete("check dri") == ["check", store.name]
    assert complete("check --config=dri") == ["check", f"--config={store.name}"]
    assert complete(f"check x.db --report junit={tmp_path}/dri")[-1] == f"junit={store}"


HOSTILE = ["sub::order-7::1", "pay day", "$(touch stolen)", "it's;true", "line\nbreak", "*", "zoë"]
"""Ids that mean something to a shell."""


@pytest.mark.parametrize(
    ("begun", "id"),
    [
        ("sub", "sub::order-7::1"),
        ("sub:", "sub::order-7::1"),
        ("sub::ord", "sub::order-7::1"),
        ("pay", "pay day"),
        ("'$(t", "$(touch stolen)"),
        ("it", "it's;true"),
        ("lin", "lin"),
        ("zo", "zoë"),
    ],
)
def test_instances(complete: Complete, sqlite_store: Sample, tmp_path: Path, begun: str, id: str) -> None:
    with closing(sqlite3.connect(sqlite_store.target)) as connection, connection:
        connection.executemany(
            "INSERT INTO instances (instance_id, orchestration_name, orchestration_version) VALUES (?, 'Pay', '1.0.0')",
            [(one,) for one in HOSTILE],
        )
    store = Path(sqlite_store.target)
    assert complete(f"why {store} {begun}") == ["why", str(store), id]
    assert not (tmp_path / "stolen").exists()


def test_runs(complete: Complete, run: Run, sqlite_store: Sample) -> None:
    sqlite_store.execute("UPDATE executions SET completed_at = NULL")
    run("repair", "apply", *sqlite_store.words, "--yes")
    [made] = run("repair", "log", *sqlite_store.words, "--format", "json").json["runs"]
    id = made["run"]
    assert complete(f"repair undo {sqlite_store.target} {id[:3]}") == ["repair", "undo", sqlite_store.target, id]
    assert complete(f"repair undo nothing.db {id[:3]}")[-1] == id[:3]
