from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import EVERYTHING, Evidence
from holystone.scan.relations.queues import QueueFacts

REPAIR = Repair[QueueFacts](
    id="restore-attempts",
    title="Count the attempts anew",
    safety=Safety.safe,
    steps=lambda facts: set_expected(facts.attempt_count),
    applies=always,
    does="Sets attempt_count to 0.",
    loses="The old value, which the journal keeps: how often the message was tried cannot be told from it.",
    needs="That the engine is not in the middle of a turn of the instance.",
    undone="Puts the old value back where nobody has fetched the message meanwhile.",
    rests_on=EVERYTHING - {Evidence.history},
)
