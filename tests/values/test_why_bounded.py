"""`why` takes no memory that grows with what one event holds, nor much with how many there are."""

from __future__ import annotations

import json

import pytest

from catalogue.conftest import Prepare
from conftest import FLAVOURS
from holystone.demo.scribe import Scribe, activity_completed, scheduled, started
from values.test_bounded_memory import LARGE, most_of, text

pytestmark = pytest.mark.long

MANY = 50_000
MOST_BYTES = 250_000_000


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_large_event(prepare: Prepare, flavour: str) -> None:
    most = []
    for length in (1, LARGE):

        def write(scribe: Scribe, length: int = length) -> None:
            scribe.execution("large", started(), scheduled(), activity_completed(text(length)), scheduled("Next"))

        target, *rest = prepare(flavour, write).made.arguments
        most.append(most_of(0, "why", target, "large", *rest, "--format", "json"))
    assert most[1] - most[0] < 5 * LARGE


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_many_events(prepare: Prepare, flavour: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is looked at, for any of them may ask for something; the last ones are shown."""

    def write(scribe: Scribe) -> None:
        status = ("CustomStatusUpdated", {"status": "x" * 1_000})
        scribe.execution("long", started(), *[status] * MANY, ("ExternalSubscribed", {"name": "approved"}))

    from holystone.cli.main import run

    target, *rest = prepare(flavour, write).made.arguments
    words = ["why", target, "long", *rest, "--format", "json"]
    assert most_of(0, *words) < MOST_BYTES
    capsys.readouterr()
    assert run(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["counts"]["events"], len(found["events"])) == (MANY + 2, 20)
    assert "waits for the event approved" in found["sentence"]
