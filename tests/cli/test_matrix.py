"""Every output of every command: colours, widths, readers that go away, full disks, terminals without UTF-8."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import click
import pytest

from holystone.render import CHECK_FORMATS, GATE_FORMATS

from .helpers import COMMAND, STALE, UNDATED, Run, Sample, clean_environment, holystone
from .test_formats import READERS

pytestmark = pytest.mark.slow

OF_A_STORE = [
    *(f"check --format {format}" for format in CHECK_FORMATS),
    *(f"gate --format {format}" for format in GATE_FORMATS),
    *(f"repair plan --format {format}" for format in ("text", "json", "sql")),
    *(f"{words} --format {format}" for format in ("text", "json") for words in ("repair log", "executions list")),
    *("migrate status --format text", "migrate status --format json", "stores --format text", "stores --format json"),
    *("why order-1 --format text", "why order-1 --format json"),
    *("executions show order-1 --format text", "executions show order-1 --format json"),
]
OF_NONE = [
    f"{words} --format {format}" for format in ("text", "json") for words in ("checks", "engines", "explain E001")
]
OUTPUTS = OF_A_STORE + OF_NONE
VARIES = re.compile(
    r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?|\d+\.\d+ ?s\b|\b\d+ (?:s|min) ago|time=\"[\d.]+|(?:now|at|duration)_ms\": \d+"
    r"|(?:timestamp|duration)_seconds\S* [\d.e+]+|seconds\": [\d.e-]+"
)
"""What differs from one run to the next: how long it took, and when it was."""


def words_of(output: str, store: Sample) -> list[str]:
    """Return the command line of an output of this store; what is behind the command goes behind the store."""
    if output in OF_NONE:
        return output.split()
    command = next(
        command
        for command in ("check", "gate", "stores", "why", "repair plan", "repair log", "executions list")
        + ("migrate status", "executions show")
        if output.startswith(f"{command} ")
    )
    behind = output.removeprefix(command).split()
    schema = [] if "stores" in command else store.words[1:]
    return [*command.split(), store.target, *behind, *schema]


def steady(text: str) -> str:
    return VARIES.sub("…", text)


def is_text(output: str) -> bool:
    return output.endswith(" text")


@pytest.fixture
def store(drifted: Sample) -> Sample:
    """A drifted store, an id of which is no ASCII."""
    drifted.execute(
        "".join(
            f"UPDATE {table} SET instance_id = 'größe-2' WHERE instance_id = 'order-2';"
            for table in ("executions", "instances", "history")
        )
    )
    return drifted


def test_every_command_that_prints_a_format_is_in_the_matrix(run: Run) -> None:
    asked: dict[str, set[str]] = {}
    for output in OUTPUTS:
        command, format = output.split(" --format ")
        asked.setdefault(re.sub(" (order-1|E001)$", "", command), set()).add(format)
    for command in asked:
        told = " ".join(run(*command.split(), "--help").out.split())
        [formats] = re.findall(r"--format \[([\w|]+)\]", told)
        assert asked[command] == set(formats.split("|")), command


@pytest.mark.parametrize("output", OUTPUTS)
def test_colours(store: Sample, output: str) -> None:
    words = words_of(output, store)
    plain = holystone(*words)
    assert "\x1b" not in plain.out + plain.err
    forced = holystone(*words, environment={"FORCE_COLOR": "1"})
    assert forced.status == plain.status
    assert steady(click.unstyle(forced.out)) == steady(plain.out)
    if not is_text(output):
        assert "\x1b" not in forced.out, "no colour is for a program"
    both = holystone(*words, environment={"FORCE_COLOR": "1", "NO_COLOR": "1"})
    assert (both.status, steady(both.out)) == (plain.status, steady(plain.out))


@pytest.mark.parametrize("columns", ["60", "200"])
@pytest.mark.parametrize("output", OUTPUTS)
def test_widths(store: Sample, output: str, columns: str) -> None:
    words = words_of(output, store)
    plain, other = holystone(*words), holystone(*words, environment={"COLUMNS": columns})
    assert other.status == plain.status
    if is_text(output):
        assert steady(" ".join(other.out.split())) == steady(" ".join(plain.out.split())), "the same words"
    else:
        assert steady(other.out) == steady(plain.out), "a program sees no width"


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_terminal_that_has_no_utf_8(store: Sample, output: str) -> None:
    words = words_of(output, store)
    ascii = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    plain, other = holystone(*words), holystone(*words, environment=ascii)
    assert other.status == plain.status
    assert other.out.isascii()
    assert "Traceback" not in other.err
    if output.startswith("check"):
        assert READERS[output.split()[-1]](other.out)
    elif output.endswith("json"):
        assert steady(json.dumps(json.loads(other.out))) == steady(json.dumps(json.loads(plain.out)))


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_full_disk(store: Sample, output: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, *words_of(output, store)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
    assert done.returncode == (3 if output.endswith("nagios") else 2)
    assert "no space left on device" in done.stderr
    assert done.stderr.count("Error: ") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_reader_that_has_gone(store: Sample, output: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, *words_of(output, store)], stdout=writer, stderr=subprocess.PIPE, text=True, env=clean_environment()
    )
    os.close(writer)
    assert done.returncode == (3 if output.endswith("nagios") else 2)
    assert "Traceback" not in done.stderr
    assert "fault of holystone" not in done.stderr


@pytest.mark.parametrize("format", CHECK_FORMATS)
def test_a_report_on_a_full_disk(store: Sample, format: str, tmp_path: Path) -> None:
    result = holystone("check", *store.words, "--report", f"{format}=/dev/full")
    assert result.status == 2
    assert result.err.count("Error: ") == 1
    assert "Traceback" not in result.err


@pytest.mark.parametrize("format", GATE_FORMATS)
def test_statuses_of_the_gate(run: Run, healthy: Sample, format: str) -> None:
    passed = run("gate", *healthy.words, "--format", format)
    healthy.execute(STALE + UNDATED)
    refused = run("gate", *healthy.words, "--format", format)
    unseen = run("gate", f"{healthy.target}-none", *healthy.words[1:], "--format", format)
    assert [one.status for one in (passed, refused, unseen)] == [0, 1, 2]
    assert passed.out
    assert refused.out
