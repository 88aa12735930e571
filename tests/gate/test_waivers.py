"""Waivers: for a reason, until a day; anything else is refused in one sentence."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from cli.helpers import UNDATED, Run, Sample

FOR_GOOD = "until = 2999-12-31\nreason = 'known'\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "holystone.toml"


def test_a_rule_that_is_waived_does_not_refuse(sound: Sample, run: Run, config: Path) -> None:
    sound.execute(UNDATED)
    config.write_text(f"[[waive]]\nrule = 'G016'\n{FOR_GOOD}")
    result = run("gate", *sound.words, "--config", str(config))
    assert (result.status, result.err) == (0, "")
    assert "G016 drift  error, waived until 2999-12-31: known" in result.out
    assert "E003 completed-at-missing" in result.out
    assert run("check", *sound.words, "--config", str(config)).status == 1


def test_it_may_be_named_by_its_name(sqlite_store: Sample, run: Run, config: Path) -> None:
    sqlite_store.execute(UNDATED)
    config.write_text(f"[[waive]]\nrule = 'drift'\n{FOR_GOOD}")
    assert run("gate", *sqlite_store.words, "--config", str(config)).status == 0


def test_one_whose_day_is_over_does_nothing_and_is_told_of(sound: Sample, run: Run, config: Path) -> None:
    config.write_text("[[waive]]\nrule = 'G016'\nuntil = 2020-01-01\nreason = 'known'\n")
    result = run("gate", *sound.words, "--config", str(config))
    assert (result.status, result.err) == (0, f"Warning: the waiver of G016 in {config} ended on 2020-01-01.\n")
    sound.execute(UNDATED)
    result = run("gate", *sound.words, "--config", str(config))
    assert result.status == 1
    assert "G016 drift  error, refused: its waiver ended on 2020-01-01" in result.out


def test_its_last_day_is_included(sound: Sample, run: Run, config: Path) -> None:
    sound.execute(UNDATED)
    today = date.today()
    for until, status in ((today, 0), (today - timedelta(days=1), 1)):
        config.write_text(f"[[waive]]\nrule = 'G016'\nuntil = {until}\nreason = 'known'\n")
        result = run("gate", *sound.words, "--config", str(config), "--format", "json")
        assert result.status == status
        [rule] = [one for one in result.json["rules"] if one["id"] == "G016"]
        assert rule["outcome"] == ("refused" if status else "waived")


@pytest.mark.parametrize(
    ("waiver", "says"),
    [
        (f"rule = 'G999'\n{FOR_GOOD}", "[[waive]] number 1: There is no rule 'G999' of the gate."),
        (f"rule = 'E001'\n{FOR_GOOD}", "There is no rule 'E001' of the gate."),
        (FOR_GOOD, "[[waive]] number 1 names no rule"),
        ("rule = 'G016'\nuntil = 2999-12-31\n", "[[waive]] number 1 has no reason"),
        ("rule = 'G016'\nuntil = 2999-12-31\nreason = ' '\n", "reason of [[waive]] number 1 should be a text"),
        ("rule = 'G016'\nreason = 'known'\n", "[[waive]] number 1 has no day until which it holds"),
        ("rule = 'G016'\nuntil = '2999-12-31'\nreason = 'known'\n", "should be a date such as 2026-12-31"),
        (f"rule = 'G016'\nwhy = 1\n{FOR_GOOD}", "[[waive]] number 1 has 'why'"),
    ],
)
def test_any_other_is_refused_in_a_sentence(
    waiver: str, says: str, sqlite_store: Sample, run: Run, config: Path
) -> None:
    config.write_text(f"[[waive]]\n{waiver}")
    result = run("gate", *sqlite_store.words, "--config", str(config))
    assert (result.status, result.out) == (2, "")
    assert says in result.err
    assert len(result.err.splitlines()) == 2


def test_what_could_not_be_seen_is_not_waived(
    reader: Sample, role: str, postgresql_store: Sample, run: Run, config: Path
) -> None:
    postgresql_store.execute(f"REVOKE ALL ON history FROM {role}")
    config.write_text(f"[[waive]]\nrule = 'G016'\n{FOR_GOOD}")
    result = run("gate", *reader.words, "--config", str(config))
    assert result.status == 2
    assert result.out.startswith("incomplete")
