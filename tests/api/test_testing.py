"""What the tests of orchestrations assert: a store is clean, or the test fails with the report."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holystone.demo.story import OLD_ENGINE, build, drift
from holystone.testing import assert_clean

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    build(tmp_path / "orders.db")
    return tmp_path / "orders.db"


def test_a_clean_store_passes(store: Path) -> None:
    assert_clean(store)
    assert_clean(str(store), level="quick")


def test_a_drifted_store_fails_with_its_report(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLYSTONE_TARGET", "elsewhere.db")
    drift(store, OLD_ENGINE)
    with pytest.raises(AssertionError, match="Drift: "):
        assert_clean(store)
    assert_clean(store, fail_on="never")
    assert_clean(store, ignore=["E"])


def test_what_cannot_be_checked_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="There is no file"):
        assert_clean(tmp_path / "no.db")
    with pytest.raises(AssertionError, match="no check 'E999'"):
        assert_clean(tmp_path / "no.db", ignore=["E999"])


def test_pytest_has_it_as_a_fixture(store: Path, assert_clean_store: Callable[..., None], tmp_path: Path) -> None:
    assert_clean_store(store)
    [example] = re.findall(r"```python\n(def test_.*?)```", PAGE.read_text(), re.DOTALL)
    test = tmp_path / "test_orders.py"
    test.write_text(f"import pathlib, shutil\nrun_orders = lambda path: shutil.copy({str(store)!r}, path)\n\n{example}")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    sound = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert sound.returncode == 0, sound.stdout
    drift(store, OLD_ENGINE)
    failed = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert failed.returncode == 1
    assert "E001 status-mismatch" in failed.stdout


def test_the_engine_may_be_loaded_beside(store: Path, tmp_path: Path) -> None:
    other = shutil.copy(store, tmp_path / "other.db")
    script = (
        "import asyncio, duroxide, sys; from holystone.testing import assert_clean\n"
        "provider = duroxide.SqliteProvider.open(sys.argv[1])\n"
        "assert_clean(sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", script, other], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
