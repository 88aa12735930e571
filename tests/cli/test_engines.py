"""The engine's versions, as `holystone engines` lists them."""

from __future__ import annotations

import json

import pytest

from holystone.cli.main import run
from holystone.duroxide.releases import NEWEST_IN_WORDS, RELEASES


def test_each_version_is_listed_with_what_it_changed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["engines"]) == 0
    said = capsys.readouterr().out
    for release in RELEASES:
        assert f"\n{release.in_words} " in f"\n{said}"
        assert all(change in said for change in release.changes)
    assert "OrchestrationStarted with parent_execution_id" in said
    assert f"The newest is {NEWEST_IN_WORDS}." in said


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["engines", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["newest"] == NEWEST_IN_WORDS
    assert [one["versions"] for one in told["engines"]] == [list(release.versions) for release in RELEASES]
    newest = told["engines"][-1]
    assert newest["sqlite"]["opens_up_to"] == 20240112000000
    assert newest["postgresql"][-1] == {"provider": "0.1.38", "migration": 26, "opens_up_to": 26}
    assert "parent_execution_id" in newest["events"]["OrchestrationStarted"]
    assert newest["limits"]["keys"] == 150
