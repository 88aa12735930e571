"""Configuration, baselines and plans with anything at all in them: one sentence, and exit status 2."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import marks_of

from .helpers import STALE, Run, Sample, assert_refused
from .hostile import edited, why_wrong

pytestmark = pytest.mark.slow


HOUSE = """
[checks.E001]
severity = "info"
level = "deep"
ignore = "OPS-12"

[[suppress]]
check = "E003"
fingerprint = "0123456789abcdef"
instance = "order-*"
until = 2999-12-31
reason = "known"
"""
IN_TOML = {
    "true": "true",
    "zero": "0",
    "number beyond 64 bits": "9223372036854775808",
    "number of 5,000 digits": "9" * 5_000,
    "number without end": "1e999",
    "no number": "nan",
    "no text": '""',
    "blank": '" "',
    "text": '"x"',
    "half of a surrogate": r'"\ud800"',
    "NUL": r'"\u0000"',
    "control sequence": r'"\u001b[31m\u009b1m\u0007\r\u202e\u2028"',
    "raw control sequence": '"\x1b[31m\x9b1m"',
    "a megabyte": '"' + "x" * 1_000_000 + '"',
    "day": "1979-05-27",
    "moment": "1979-05-27T07:32:00Z",
    "time": "07:32:00",
    "no day": "1979-02-30",
    "list": '[1, "x", []]',
    "deep list": "[" * 10_000 + "]" * 10_000,
    "list as deep as it goes": "[" * 200 + "]" * 200,
    "table": '{ x = { "\\u001b[2J" = 1 } }',
    "deep table": "{x=" * 10_000 + "1" + "}" * 10_000,
    "nothing": "",
}


def configurations() -> Iterator[str]:
    """Yield the configuration with each value in each place, each key gone, doubled and changed."""
    lines = HOUSE.splitlines()
    for number, line in enumerate(lines):

        def with_lines(*other: str, at: int = number) -> str:
            return "\n".join([*lines[:at], *other, *lines[at + 1 :]])

        if " = " in line:
            key = line.partition(" = ")[0]
            yield from (with_lines(f"{key} = {value}") for value in IN_TOML.values())
            yield from (with_lines(f"{other} = 1") for other in ('"\\u001b[2J"', key.upper(), f"{key}.x", '""'))
        elif line:
            yield from (with_lines(other) for other in ("[checks]", "[[checks]]", "[suppress]", "[checks.e001]"))
            yield with_lines('[checks."\\u001b[2J\\u202e"]')
            yield with_lines(f'[checks."{"x" * 1_000_000}"]')
        yield with_lines()
        yield with_lines(line, line)
    yield from (f"{name} = {value}" for name in ("checks", "suppress", "other") for value in IN_TOML.values())
    yield HOUSE + "[checks.e001]\nlevel = 'quick'"


PARTS = 11
"""How many tests share the files out; the default tests make one of them."""
in_parts = pytest.mark.parametrize("part", [pytest.param(part, marks=marks_of(part, 5)) for part in range(PARTS)])


@in_parts
def test_any_configuration_is_used_or_refused(run: Run, sqlite_store: Sample, tmp_path: Path, part: int) -> None:
    sqlite_store.execute(STALE)
    file = tmp_path / "house.toml"
    wrong = {}
    for text in list(configurations())[part::PARTS]:
        file.write_text(text, encoding="utf-8")
        said = run("check", sqlite_store.target, "--select", "E001,E003", "--config", str(file))
        if why := why_wrong(said):
            wrong[text[:500]] = why
    assert not wrong


def test_a_check_is_configured_once(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    file = tmp_path / "house.toml"
    file.write_text('[checks.E001]\nlevel = "deep"\n[checks.e001]\nignore = "x"\n')
    said = run("check", sqlite_store.target, "--config", str(file))
    assert_refused(said, "[checks.e001] is there twice")


@pytest.fixture
def report(run: Run, sqlite_store: Sample, tmp_path: Path) -> Path:
    sqlite_store.execute(STALE)
    file = tmp_path / "report.json"
    run("check", sqlite_store.target, "--select", "E001", "--format", "json", "--output", str(file))
    return file


@in_parts
def test_any_baseline_is_used_or_refused(run: Run, sqlite_store: Sample, report: Path, part: int) -> None:
    edits = [one for one in edited(report.read_text()) if len(one[1]) < 2 or one[1][0] == "findings"]
    wrong: dict[Any, str] = {}
    for name, way, text in edits[part::PARTS]:
        report.write_text(text)
        said = run("check", sqlite_store.target, "--select", "E001", "--baseline", str(report))
        if why := why_wrong(said):
            wrong[name, way] = why
    assert not wrong


@pytest.mark.parametrize("schema", [0, 2, "1", None, True])
def test_a_baseline_of_another_form_is_refused(run: Run, sqlite_store: Sample, report: Path, schema: Any) -> None:
    report.write_text(json.dumps({**json.loads(report.read_text()), "schema": schema}))
    assert_refused(run("check", sqlite_store.target, "--baseline", str(report)), "is no report of holystone")


CONTENTS = {
    "nothing": b"",
    "a zero": b"\0",
    "zeros": bytes(100_000),
    "no UTF-8": b'{"schema": 1, "x": "\xff"}',
    "UTF-16": '{"schema": 1}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"schema": 1}',
    "half of it": b'{"schema": 1, "findings": [{"finge',
    "SQLite": b"SQLite format 3\0" + bytes(84),
    "one long line": b'{"schema": 1, "x": "' + b"x" * 100_000_000,
    "many lines": b"\n" * 1_000_000 + b"x",
    "control sequences": b"\x1b[2J\x1b]0;owned\x07",
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize(
    "words",
    [
        ("check", "{store}", "--config", "{file}"),
        ("check", "{store}", "--baseline", "{file}"),
        ("repair", "apply", "{store}", "{file}"),
    ],
    ids=["config", "baseline", "plan"],
)
def test_any_content_is_refused(
    run: Run, sqlite_store: Sample, tmp_path: Path, words: tuple[str, ...], content: str
) -> None:
    file = tmp_path / "any"
    file.write_bytes(CONTENTS[content])
    said = run(*(word.format(store=sqlite_store.target, file=file) for word in words))
    if "--config" in words and content in ("nothing", "byte order mark"):
        assert why_wrong(said) is None
    else:
        assert_refused(said)


def test_a_plan_of_the_other_flavour_is_refused(
    run: Run, sqlite_store: Sample, postgresql_store: Sample, tmp_path: Path
) -> None:
    for of, other in ((sqlite_store, postgresql_store), (postgresql_store, sqlite_store)):
        of.execute(STALE)
        plan = str(tmp_path / "plan.json")
        assert run("repair", "plan", *of.words, "-o", plan).status == 0
        assert_refused(run("repair", "apply", other.target, plan, *other.words[1:]), "another store")
