from holystone.mend.repair import Repair, Safety, always, delete_row
from holystone.scan.evidence import EVERYTHING
from holystone.scan.relations.repeats import RepeatFacts


def _may_be_needed(facts: RepeatFacts) -> str | None:
    """No worker has fetched the row, and of two rows of one activity both say the very same."""
    if facts.is_held:
        return "a worker has the activity in hand, or had it when it died"
    if not facts.like_the_other:
        return "the two rows of the activity do not say the same, and nothing tells which of them is right"
    return None


REPAIR = Repair(
    id="remove-repeated-activity",
    title="Take the row out of the queue by which an activity would be run once more",
    safety=Safety.safe,
    steps=delete_row,
    applies=always,
    does="Deletes the row of worker_queue. The other row of the activity, or its answer, stays.",
    loses="Nothing: the journal keeps the row whole.",
    needs="That the row is as it was planned: no worker has fetched it meanwhile.",
    undone="Puts the row back under its own id, so that the activity is run once more.",
    rests_on=EVERYTHING,
    unsafe_because=_may_be_needed,
)
