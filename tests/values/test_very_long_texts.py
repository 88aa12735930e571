"""Texts that are left out of what is read many rows at a time: what they say is found out all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cases.payloads import asked_child, begun, child_of, subscribed
from catalogue.conftest import Prepare
from conftest import FLAVOURS
from holystone.demo.scribe import Scribe, completed, scheduled, started
from holystone.duroxide import decoder
from holystone.duroxide.compact_json import write
from holystone.duroxide.decoder import read_lines
from holystone.duroxide.tables import executions
from holystone.scan.catalogue import checks
from holystone.scan.long_texts import VERY_LONG
from holystone.scan.scan import Scan

LONG = "x" * (VERY_LONG + 1)


def sound(scribe: Scribe) -> None:
    scribe.execution("i", started(), completed(LONG))


def still_running(scribe: Scribe) -> None:
    scribe.execution("i", started(), scheduled(input=LONG))


def lost(scribe: Scribe) -> None:
    sound(scribe)
    scribe.change(executions, {"instance_id": "i"}, output="lost")


def absent(scribe: Scribe) -> None:
    sound(scribe)
    scribe.change(executions, {"instance_id": "i"}, output=None)


def another(scribe: Scribe) -> None:
    sound(scribe)
    scribe.change(executions, {"instance_id": "i"}, output=LONG + "y")


def too_long(scribe: Scribe) -> None:
    scribe.execution("i", started(), completed("done"))
    scribe.change(executions, {"instance_id": "i"}, output=LONG)


def of_one_that_runs(scribe: Scribe) -> None:
    still_running(scribe)
    scribe.change(executions, {"instance_id": "i"}, output=LONG)


def not_ended(scribe: Scribe) -> None:
    sound(scribe)
    scribe.change(executions, {"instance_id": "i"}, status="Running", output=None, completed_at=None)


CASES: list[tuple[Callable[[Scribe], None], set[str]]] = [
    (sound, set()),
    (still_running, set()),
    (lost, {"E006"}),
    (absent, {"E006"}),
    (another, {"E006"}),
    (too_long, {"E006"}),
    (of_one_that_runs, {"E006"}),
    (not_ended, {"E001"}),
]


@pytest.mark.parametrize(("prepared", "found"), CASES, ids=[case[0].__name__ for case in CASES])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_very_long_end_or_output(
    prepare: Prepare, flavour: str, prepared: Callable[[Scribe], None], found: set[str]
) -> None:
    ground = prepare(flavour, prepared)
    of_executions = [check for check in checks() if check.id.startswith("E")]
    assert {finding.check.id for finding in Scan(ground.store, of_executions, prefilters=())} == found


@pytest.mark.parametrize("parent_id", [2, 3], ids=["its-own", "another-question's"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_child_that_was_given_a_very_long_input(prepare: Prepare, flavour: str, parent_id: int) -> None:
    def waits(scribe: Scribe) -> None:
        scribe.execution("parent", begun(), asked_child())
        scribe.execution("parent::sub::2", child_of("parent", parent_id, input=LONG), subscribed())

    ground = prepare(flavour, waits)
    stuck = [finding.instance_id for finding in Scan(ground.store, [checks().get("I007")], prefilters=())]
    assert stuck == ([] if parent_id == 2 else ["parent"])


@pytest.mark.parametrize(
    ("text", "in_json", "is_read"),
    [
        ('x"\\\n😀' * 10, None, True),
        ("x" * 40, "x" * 39 + "\\u0078", False),
        ("x" * 30, None, True),
    ],
    ids=["with-escapes", "escaped-without-need", "plain"],
)
def test_a_text_that_is_written_in_pieces(
    text: str, in_json: str | None, is_read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "_PIECE", 7)
    fields = {
        "event_id": 2,
        "source_event_id": None,
        "instance_id": "an instance",
        "execution_id": 1,
        "timestamp_ms": 1,
        "duroxide_version": "0.1.32",
        "type": "OrchestrationCompleted",
        "output": text,
    }
    line = write(fields)
    if in_json is not None:
        line = line.replace(text, in_json)
    events = read_lines(line)
    assert events is None if not is_read else events is not None and [event.output for event in events] == [text]
