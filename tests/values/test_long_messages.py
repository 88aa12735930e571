"""Long messages, which are left out of what is asked of many at a time: what they say is found out all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from catalogue.conftest import Prepare
from conftest import FLAVOURS
from holystone.demo.scribe import Scribe, activity_completed, continued, scheduled, started
from holystone.duroxide.tables import worker_queue
from holystone.scan.catalogue import checks
from holystone.scan.long_texts import LONG, VERY_LONG
from holystone.scan.scan import Scan

TEXT = "x" * (LONG + 1)
VERY_LONG_TEXT = "x" * (VERY_LONG + 1)
WANTED = {"I007", "I009", "I011", "Q013", "Q016", "Q017"}
FAILURE = {"Application": {"kind": "ActivityFailed", "message": TEXT, "retryable": False}}


def answer(scribe: Scribe, *, execution_id: int = 1, event_id: int = 2) -> None:
    fields = {"instance": "i", "execution_id": execution_id, "id": event_id, "result": TEXT}
    scribe.message("i", {"ActivityCompleted": fields})


def taken(scribe: Scribe, *event_ids: int) -> None:
    for event_id in event_ids:
        scribe.remove(worker_queue, {"instance_id": "i", "activity_id": event_id})


def on_its_way(scribe: Scribe) -> None:
    scribe.execution("i", started(), scheduled())
    taken(scribe, 2)
    answer(scribe)


def one_of_two_on_its_way(scribe: Scribe) -> None:
    scribe.execution("i", started(), scheduled(), scheduled())
    taken(scribe, 2)
    answer(scribe)


def for_another_execution(scribe: Scribe) -> None:
    scribe.execution("i", started(), scheduled())
    taken(scribe, 2)
    answer(scribe, execution_id=7)


def to_another_question(scribe: Scribe) -> None:
    scribe.execution("i", started(), scheduled(), scheduled())
    taken(scribe, 2, 3)
    answer(scribe)


def twice_to_the_same_question(scribe: Scribe) -> None:
    scribe.execution("i", started(), scheduled(), scheduled())
    taken(scribe, 2, 3)
    answer(scribe)
    answer(scribe)


def of_a_queued_activity(scribe: Scribe) -> None:
    scribe.execution("i", started(), scheduled(input=TEXT))
    answer(scribe)


def of_an_answered_activity(scribe: Scribe) -> None:
    scribe.execution("i", started(), scheduled(input=TEXT), activity_completed(TEXT), scheduled())
    scribe.change(worker_queue, {"instance_id": "i", "activity_id": 4}, activity_id=2)
    scribe.change(worker_queue, {"instance_id": "i"}, work_item=_activity(TEXT))


def of_another_kind_than_a_very_long_one(scribe: Scribe) -> None:
    scribe.execution("i", started(), scheduled(), activity_completed(VERY_LONG_TEXT), scheduled())
    scribe.message("i", {"ActivityFailed": {"instance": "i", "execution_id": 1, "id": 2, "details": FAILURE}})


def of_another_question_than_a_very_long_one(scribe: Scribe) -> None:
    scribe.execution("i", started(), scheduled(), activity_completed(VERY_LONG_TEXT), scheduled())
    taken(scribe, 4)
    scribe.message("i", {"ActivityFailed": {"instance": "i", "execution_id": 1, "id": 4, "details": FAILURE}})


def after_another_that_continues(scribe: Scribe) -> None:
    scribe.execution("i", started(), continued(TEXT))
    fields = {"orchestration": "Order", "input": TEXT, "version": "1.0.0", "carry_forward_events": []}
    scribe.message("i", {"ContinueAsNew": {"instance": "i", **fields}})


def _activity(text: str) -> str:
    start = '{"ActivityExecute":{"instance":"i","execution_id":1,"id":2,"name":"Charge","input":"'
    return f'{start}{text}"}}}}'


CASES: list[tuple[Callable[[Scribe], None], set[str]]] = [
    (on_its_way, set()),
    (one_of_two_on_its_way, set()),
    (for_another_execution, {"I007"}),
    (to_another_question, {"I009"}),
    (twice_to_the_same_question, {"I009"}),
    (of_a_queued_activity, {"Q013"}),
    (of_an_answered_activity, {"Q013"}),
    (of_another_kind_than_a_very_long_one, {"Q017"}),
    (of_another_question_than_a_very_long_one, set()),
    (after_another_that_continues, {"Q016"}),
]


@pytest.mark.parametrize(("write", "found"), CASES, ids=[case[0].__name__ for case in CASES])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_long_message(prepare: Prepare, flavour: str, write: Callable[[Scribe], None], found: set[str]) -> None:
    ground = prepare(flavour, write)
    wanted = [check for check in checks() if check.id in WANTED]
    assert {finding.check.id for finding in Scan(ground.store, wanted, prefilters=())} == found
