from collections.abc import Sequence

from holystone.mend.repair import Repair, Safety, Set, Step, always
from holystone.scan.relations.worker_items import WorkerItemFacts


def _steps(facts: WorkerItemFacts) -> Sequence[Step]:
    return [Set(before={"attempt_count": facts.attempt_count.observed}, after={"attempt_count": 0})]


REPAIR = Repair(
    id="acme-try-anew",
    title="Give the activity all its attempts again",
    # Whatever fails is tried ten times more: somebody has to say that its cause is gone.
    safety=Safety.unsafe,
    steps=_steps,
    applies=always,
    does="Sets attempt_count to 0.",
    loses="The number of attempts, which the journal keeps.",
    needs="That the cause is gone.",
    undone="Puts the old number back where no worker has taken the activity meanwhile.",
)
