from collections.abc import Sequence

from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity
from holystone.scan.compared import Compared
from holystone.scan.evidence import Evidence
from holystone.scan.relations.messages import MESSAGES
from holystone.scan.relations.queues import QueueFacts
from holystone.scan.relations.worker_items import WORKER_ITEMS

# The engine gives a message up with the attempt after this one; RuntimeOptions.max_attempts sets it.
MAX_ATTEMPTS = 10
# Unregistered code is tried again after 1, 2, 4 … seconds: so many take two minutes, and the rest four.
NEAR = 8


def _expected(facts: QueueFacts) -> Sequence[Compared[object]]:
    count = facts.attempt_count.observed
    is_near = facts.is_counted and count is not None and count >= NEAR
    return [facts.attempt_count.expecting(f"below {NEAR}")] if is_near else []


def _cause(facts: QueueFacts) -> str:
    return "at-the-limit" if facts.attempt_count.observed >= MAX_ATTEMPTS else "near-the-limit"


CHECK = Check(
    id="Q006",
    name="attempts-exhausted",
    title="A message was tried so often that the engine is about to give it up",
    severity=Severity.warning,
    level=Level.quick,
    flavours=BOTH,
    relation=(MESSAGES, WORKER_ITEMS),
    violated=lambda message: message.attempt_count >= NEAR,
    expects=_expected,
    cause=_cause,
    message="it was fetched {observed[attempt_count]} times and is still there",
    asserts=(
        "A message is acked within a few attempts. Each fetch counts one; with the eleventh the engine takes it for "
        "poison and fails its orchestration or its activity, for good."
    ),
    harm=(
        "Its orchestration is about to fail with `poison: …`, mostly for code that no running worker has registered, a "
        "history that cannot be read, or a process that dies each time it takes it."
    ),
    how_to_look=(
        "SELECT instance_id, id, attempt_count, 'orchestrator_queue' AS queue, work_item FROM orchestrator_queue "
        "WHERE attempt_count >= 8 UNION ALL "
        "SELECT instance_id, id, attempt_count, 'worker_queue' AS queue, work_item FROM worker_queue "
        "WHERE attempt_count >= 8;"
    ),
    false_alarms=(
        "A runtime whose max_attempts is more than 10; one whose turns or activities take so long that the locks "
        "expire in between."
    ),
    example="A new release was rolled out without one of the orchestrations that were still waiting to start.",
    repair=NoRepair(
        "the cause lies outside the store: register what is missing or stop what crashes, before the last attempt. "
        "Then UPDATE its attempt_count to 0"
    ),
    questions=frozenset({Evidence.turn}),
)
