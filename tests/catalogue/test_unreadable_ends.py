"""An event that the engine cannot read ends no execution: whatever its row and its keys are, they stay."""

from __future__ import annotations

import json

import pytest

from cases import keys
from catalogue.conftest import Prepare
from catalogue.sources import EVERY_CHECK
from conftest import FLAVOURS
from engine.test_decoding import DETAILS_OF_EACH_KIND, damages_of, event, is_of_no_engine, is_readable
from holystone.demo.scribe import Scribe, completed, started
from holystone.duroxide.tables import executions, history
from holystone.mend.plan import make_plan
from holystone.scan.scan import Scan

REMARKS = {"H005", "H006", "H007", "H009"}
"""Checks that tell of the event itself."""


def ends() -> list[str]:
    """Texts of events that would end an execution if the engine could read them."""
    texts = [*damages_of(event("OrchestrationCompleted")), *damages_of(event("OrchestrationContinuedAsNew"))]
    for details in DETAILS_OF_EACH_KIND.values():
        failed = event("OrchestrationFailed", details=details)
        texts += [json.dumps(failed), *damages_of(failed)]
    return [text for text in dict.fromkeys(texts) if not is_readable(text) and not is_of_no_engine(text)]


@pytest.mark.long
@pytest.mark.parametrize("status", ["Running", "Completed"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_they_change_no_row(flavour: str, status: str, prepare: Prepare) -> None:
    texts = dict(enumerate(ends()[status == "Completed" :: 5]))

    def write(scribe: Scribe) -> None:
        for number, text in texts.items():
            key = {"instance_id": str(number), "execution_id": 1}
            scribe.execution(str(number), started(), completed())
            scribe.change(history, {**key, "event_id": 2}, event_data=text)
            output = None if status == "Running" else '"done"'
            scribe.change(executions, key, status=status, output=output, completed_at=None)
            keys.changed(scribe, str(number), "left", "over")

    store = prepare(flavour, write).store
    found = {(finding.check.id, texts[int(str(finding.instance_id))]) for finding in Scan(store, EVERY_CHECK)}
    assert {one for one in found if one[0] not in REMARKS} == set()
    assert {text for id, text in found if id in ("H005", "H009")} == set(texts.values())
    assert [change for change in make_plan(store, EVERY_CHECK).changes if change.table != "history"] == []
