"""The page about the architecture names files and functions that there are, and rooms as import-linter knows them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path
from types import FrameType

import pytest

import holystone
from holystone.cli.main import run
from holystone.demo.scribe import Scribe, completed, started
from holystone.duroxide.tables import executions
from holystone.migrate import create

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "holystone"
INSTALLED = Path(holystone.__file__).parent
"""Where the code runs from, which is elsewhere if the package was installed from a wheel."""
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
STOP = re.compile(r"^\| `(\S+\.py)` \| `([\w.]+)` \|", re.MULTILINE)
STOPS = STOP.findall(PAGE)
FOLDERS = ("", "src/holystone/", "src/holystone/store/turns/")
"""Where a file or folder of the page is, which leaves out what its room is known to be."""


def defined(path: Path) -> set[str]:
    """Return the functions of a file, and the methods of its classes as Class.method."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    methods = {
        f"{cls.name}.{one.name}"
        for cls in body
        if isinstance(cls, ast.ClassDef)
        for one in cls.body
        if isinstance(one, ast.FunctionDef)
    }
    return methods | {one.name for one in body if isinstance(one, ast.FunctionDef)}


def test_there_are_three_walks() -> None:
    walks = PAGE.partition("## Three walks")[2].partition("\n## ")[0]
    assert walks.count("\n### ") == 3
    assert len(STOPS) > 40


@pytest.mark.parametrize(("file", "function"), dict.fromkeys(STOPS))
def test_each_stop_of_a_walk_is_there(file: str, function: str) -> None:
    assert function in defined(SOURCES / file)


def test_each_file_that_is_named_is_there() -> None:
    named = {one for one in re.findall(r"`([\w*.]+(?:/[\w*.]+)*(?:\.py|/))`", PAGE) if "*" not in one}
    folders = (*FOLDERS, "tests/", "docs/")
    missing = {one for one in named if not any((ROOT / folder / one).exists() for folder in folders)}
    # In folders of the two databases, and of tests, a name stands for the file of that name in each.
    assert {one for one in missing if not [*SOURCES.rglob(one.rstrip("/"))]} == set()


def test_the_picture_has_the_layers_of_import_linter() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    layers = config["importlinter:contract:layers"]["layers"].split("\n")
    wanted = [re.findall(r"holystone\.(\w+)", line) for line in layers if line]
    picture = PAGE.partition("```text\n")[2].partition("```")[0]
    width = picture.index("\n")
    rows = [re.findall(r"\w+", line[:width]) for line in picture.splitlines() if line.startswith("│")]
    assert rows == wanted


def walked(walk: str, do: Callable[[], object]) -> list[str]:
    """Return the stops of a walk that are not come by, one after the other, while something is done."""
    section = PAGE.partition(f"### {walk}\n")[2].partition("\n#")[0]
    left = [f"{INSTALLED / file}:{function}" for file, function in STOP.findall(section)]

    def note(frame: FrameType, event: str, argument: object) -> None:
        if left and event == "call" and left[0] == f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}":
            del left[0]

    sys.setprofile(note)
    try:
        do()
    finally:
        sys.setprofile(None)
    return left


@pytest.fixture
def drifted(tmp_path: Path) -> str:
    """A store in which one execution has lost its completed_at and its output."""
    path = str(tmp_path / "store.db")
    store = create(path)
    with store.transaction() as connection:
        scribe = Scribe(connection, store.flavour)
        scribe.execution("done", started(), completed())
        scribe.change(executions, {"instance_id": "done", "execution_id": 1}, completed_at=None, output=None)
    store.close()
    return path


def test_a_target_goes_through_check_as_it_says(drifted: str) -> None:
    words = ["check", drifted, "--since", "last", "--jobs", "1"]  # no threads, which would go unnoticed
    assert walked("A target through `check`", lambda: run(words)) == []


def test_a_plan_goes_through_repair_as_it_says(drifted: str) -> None:
    plan = f"{drifted}.plan"
    assert run(["repair", "plan", drifted, "-o", plan]) == 0
    assert walked("A plan through `repair apply`", lambda: run(["repair", "apply", drifted, plan, "--yes"])) == []


def test_a_delta_goes_through_ack_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "store.md").read_text(), re.DOTALL)
    assert walked("A delta through `ack`", lambda: exec(example, {})) == []
