"""The verdict, its exit status and its formats."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from cli.helpers import UNDATED, Run, Sample
from engine.engines import ENGINES
from holystone import api
from holystone.gate.model import json_schema
from holystone.gate.rules import RULES
from migrate.old_stores import make_fallback
from schemas import in_order

DOCS = Path(__file__).parents[2] / "docs"


def test_ids_are_in_order_and_once() -> None:
    assert [rule.id for rule in RULES] == [f"G{number:03}" for number in range(1, len(RULES) + 1)]
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_a_sound_store_passes(sound: Sample, run: Run) -> None:
    result = run("gate", *sound.words, "--against", "package:0.2.2", "--fail-on", "info")
    assert (result.status, result.err) == (0, ""), result.out
    assert "opens it as it is; the old engine may go on meanwhile." in " ".join(result.out.split())
    assert "Rules: 14 pass, 2 not-asked." in result.out


def test_one_that_has_drifted_is_refused_unless_that_is_known(sound: Sample, run: Run, tmp_path: Path) -> None:
    sound.execute(UNDATED)
    result = run("gate", *sound.words)
    assert result.status == 1
    assert "E003 completed-at-missing: 1 finding" in result.out
    known = tmp_path / "known.json"
    run("check", *sound.words, "--format", "json", "--output", str(known))
    assert run("gate", *sound.words, "--baseline", str(known)).status == 0


def test_json_is_as_its_schema_says(sound: Sample, run: Run) -> None:
    published = json.loads((DOCS / "gate.schema.json").read_text())
    assert in_order(published) == in_order(json_schema())
    for words in ([], ["--against", "package:0.1.28"]):
        report = run("gate", *sound.words, "--format", "json", *words).json
        Draft202012Validator(published).validate(report)
        assert (report["deployment"] is not None) == bool(words)


def test_markdown_has_a_row_for_each_rule_that_was_asked(sound: Sample, run: Run) -> None:
    lines = run("gate", *sound.words, "--format", "markdown").out.splitlines()
    assert lines[0] == "## Gate: pass"
    assert sum(line.startswith("| G0") for line in lines) == 10


def test_from_python(sound: Sample) -> None:
    report = api.gate(sound.target, schema=sound.schema, against="package:0.2.2")
    assert (report.verdict, report.flavour) == ("pass", "postgresql" if sound.schema else "sqlite")


@pytest.mark.parametrize(
    ("against", "says"),
    [
        ("9.9.9", "'9.9.9' is no version of the engine that is known here; the newest core is 0.1.32."),
        ("crate:0.1.32", "names no version of the engine: it may begin with core:, provider:, package:."),
        ("0.1.28", "'0.1.28' is a version of several parts of the engine."),
    ],
)
def test_a_version_that_is_none_is_refused_in_a_sentence(sound: Sample, run: Run, against: str, says: str) -> None:
    result = run("gate", *sound.words, "--against", against)
    assert (result.status, result.out) == (2, "")
    assert says in result.err


def test_of_a_core_in_several_providers_the_provider_is_asked_for(run: Run, sound: Sample) -> None:
    result = run("gate", *sound.words, "--against", "core:0.1.32")
    if sound.schema is None:
        assert result.status == 0
    else:
        assert result.status == 2
        assert "--against provider:0.1.35 or provider:0.1.36" in result.err


def test_what_comes_of_a_store_cannot_drive_a_terminal(sound: Sample, run: Run, tmp_path: Path) -> None:
    name = '"name":"Or\\u001b[31m|der"'  # as JSON has it; what reads the event makes it one character
    renamed = f"""replace(event_data, '"name":"Order"', '{name}')"""
    sound.execute(f"UPDATE history SET event_data = {renamed} WHERE instance_id = 'order-3' AND event_id = 1")
    file = tmp_path / "registered.json"
    file.write_text('{"orchestrations": {"Order": ["1.0.0"], "Meter": ["1.0.0"]}}')
    for format in ("text", "json", "markdown"):
        result = run("gate", *sound.words, "--registered", str(file), "--format", format)
        assert result.status == 1
        assert "\x1b" not in result.out + result.err
        assert "[31m|der" in result.out.replace("\\|", "|").replace("\\[", "[")


def test_the_store_is_named_with_its_schema(sound: Sample, run: Run) -> None:
    for format in ("text", "markdown"):
        said = run("gate", *sound.words, "--format", format).out.replace("\\", "")
        assert (f" --schema {sound.schema}, engine migration " in said) == (sound.schema is not None)


def test_a_store_that_the_engine_made_by_hand_passes(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "fallback.db"
    make_fallback(ENGINES[-1], path)
    result = run("gate", str(path), "--against", "core:0.1.32")
    assert (result.status, result.err) == (0, ""), result.out


def test_without_an_answer_there_is_no_traceback(tmp_path: Path, run: Run) -> None:
    result = run("gate", str(tmp_path / "none.db"), "--against", "core:0.1.32")
    assert (result.status, result.out) == (2, "")
    assert result.err.splitlines()[1].startswith("Next: ")


def test_an_output_file_is_whole(sound: Sample, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "verdict.json"
    assert run("gate", *sound.words, "--format", "json", "--output", str(file)).out == ""
    assert json.loads(file.read_text())["verdict"] == "pass"
