"""`--since last`: no watermark is kept over what was not seen, or would not be found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .helpers import STALE, UNDATED, Run, Sample

IGNORED = ("--ignore", "E001=known", "--ignore", "E003=known", "--ignore", "E006=known")
SUPPRESSED = "".join(f'[[suppress]]\ncheck = "{id}"\nreason = "known"\n' for id in ("E001", "E003", "E006"))
LATER = "UPDATE instances SET updated_at = updated_at WHERE instance_id = 'meter-42';"
"""PostgreSQL looks once more at what the last transaction before a position wrote."""


@pytest.fixture
def upgraded(run: Run, healthy: Sample) -> Sample:
    """A healthy store with a table for watermarks."""
    assert run("migrate", "upgrade", *healthy.words).status == 0
    return healthy


def since_last(run: Run, store: Sample, *words: str) -> Any:
    return run("check", *store.words, "--since", "last", "--format", "json", *words).json


def test_what_was_ignored_is_looked_at_once_it_is_not(run: Run, upgraded: Sample) -> None:
    upgraded.execute(STALE + UNDATED)
    upgraded.execute(LATER)
    assert since_last(run, upgraded, *IGNORED)["verdict"] == "clean"
    assert since_last(run, upgraded, *IGNORED)["coverage"]["instances"] in (0, 1)
    assert since_last(run, upgraded)["verdict"] == "drift"


def test_what_was_suppressed_is_looked_at_once_it_is_not(run: Run, upgraded: Sample, tmp_path: Path) -> None:
    upgraded.execute(STALE + UNDATED)
    upgraded.execute(LATER)
    house = tmp_path / "house.toml"
    house.write_text(SUPPRESSED)
    assert since_last(run, upgraded, "--config", str(house))["verdict"] == "clean"
    assert since_last(run, upgraded, "--config", str(house))["coverage"]["instances"] in (0, 1)
    assert since_last(run, upgraded)["verdict"] == "drift"


def test_baseline_verifies_nothing_and_says_so(run: Run, upgraded: Sample, tmp_path: Path) -> None:
    upgraded.execute(STALE)
    baseline = tmp_path / "baseline.json"
    run("check", *upgraded.words, "--format", "json", "--output", str(baseline))
    said = run("check", *upgraded.words, "--since", "last", "--baseline", str(baseline))
    assert (said.status, "Verified up to" in said.out) == (0, False)
    assert since_last(run, upgraded)["verdict"] == "drift"


def test_other_version_looks_at_everything_once(run: Run, upgraded: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    since_last(run, upgraded)
    monkeypatch.setattr("holystone.__version__", "99.0")
    assert since_last(run, upgraded)["coverage"]["why_all"].startswith("the last look was that of holystone ")


def test_report_names_what_was_left_out(run: Run, healthy: Sample) -> None:
    words = ("check", *healthy.words, "--ignore", "e003,E001")
    assert "Left out by --ignore: E001, E003." in run(*words).out
    assert run(*words, "--format", "json").json["left_out"] == ["E001", "E003"]
