"""The demonstration shows the same wherever it runs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from .helpers import Run

RULES = '[checks.E001]\nignore = "see OPS-12"\n'
CHANGING = r"\d+\.\d+ s|\d{8}-\d{6}-[0-9a-f]{6}|\d{4}-\d\d-\d\d[T ][0-9:.]+Z?|Plan [0-9a-f]+"
"""What is never the same twice: how long it took, runs, moments and the name of a plan."""


@pytest.mark.parametrize("words", [[], ["kept"]], ids=["removed", "kept"])
def test_neither_configuration_nor_environment_changes_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    shown = []
    for name, rules, environment in [
        ("plain", "", {"HOLYSTONE_DEBUG": ""}),
        ("ruled", RULES, {"HOLYSTONE_SCHEMA": "none"}),
        ("led", "", {"HOLYSTONE_CHECK_LEVEL": "deep", "HOLYSTONE_REPAIR_PLAN_FORMAT": "json"}),
        ("told", "", {"HOLYSTONE_CONFIG": "rules.toml", "HOLYSTONE_CHECK_QUIET": "1"}),
    ]:
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        Path("rules.toml").write_text(RULES)
        if rules:
            Path("holystone.toml").write_text(rules)
        with monkeypatch.context() as patch:
            for variable, value in environment.items():
                patch.setenv(variable, value)
            done = run("demo", *words)
            assert environment.items() <= os.environ.items()
        assert done.status == 0, done
        shown.append(re.sub(CHANGING, "…", done.out + done.err))
    assert shown == [shown[0]] * len(shown)
    assert "E001" in shown[0]
