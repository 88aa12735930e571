from collections.abc import Sequence

from holystone.scan.check import BOTH, Check, Level, Severity, no_cause
from holystone.scan.compared import Compared
from holystone.scan.relations.worker_items import WORKER_ITEMS, WorkerItemFacts

# The engine gives up after ten; whoever is on call wants to know sooner.
LIMIT = 3


def _expected(facts: WorkerItemFacts) -> Sequence[Compared[object]]:
    is_retried = facts.is_counted and facts.attempt_count.observed >= LIMIT
    return [facts.attempt_count.expecting(0)] if is_retried else []


CHECK = Check(
    id="ACME001",
    name="activity-retried",
    title="An activity was tried three times and is still not done",
    severity=Severity.warning,
    level=Level.quick,
    flavours=BOTH,
    relation=WORKER_ITEMS,
    violated=lambda item: item.attempt_count >= LIMIT,
    expects=_expected,
    cause=no_cause,
    message="it was tried {observed[attempt_count]} times",
    asserts="Our activities are done at the first or the second attempt.",
    harm="The activity is about to fail for good, with the orchestration that has asked for it.",
    how_to_look="SELECT instance_id, id, attempt_count FROM worker_queue WHERE attempt_count >= 3;",
    false_alarms="An activity that takes longer than its lock lasts.",
    example="The payment provider was down for an hour.",
    repair="acme-try-anew",
    questions=frozenset(),
)
