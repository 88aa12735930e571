"""The wheel holds the whole tree: its list of packages is written by hand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import holystone

pytestmark = pytest.mark.slow


ROOT = Path(__file__).parents[2]
SOURCES = {
    ROOT / "src" / "holystone": "holystone",
    ROOT / "checks": "holystone/checks",
    ROOT / "repair": "holystone/repair",
    ROOT / "migrations": "holystone/migrations",
    ROOT / "docs" / "runbook": "holystone/runbook",
    ROOT / "share": f"holystone-{holystone.__version__}.data/data/share",
}


def test_wheel_holds_the_whole_tree(tmp_path: Path) -> None:
    # From a copy: what an earlier build left in the tree would be packed once more.
    tree = shutil.copytree(ROOT, tmp_path / "tree", ignore=shutil.ignore_patterns("build", "*.egg-info", ".*", "tests"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(tree)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        f"{below}/{path.relative_to(folder).as_posix()}"
        for folder, below in SOURCES.items()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".json")
    }
    assert held == wanted
