from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import EVERYTHING, Evidence
from holystone.scan.relations.queues import QueueFacts

REPAIR = Repair[QueueFacts](
    id="restore-visible-at",
    title="Let the message be fetched from the time that it names",
    safety=Safety.safe,
    steps=lambda facts: set_expected(facts.visible_at),
    applies=always,
    does=(
        "Sets visible_at to the moment that a timer or the column itself names, in the form that the engine reads, or "
        "else to created_at."
    ),
    loses="The old value, which the journal keeps. Nothing has ever fetched the message by it.",
    needs="That the engine is not in the middle of a turn of the instance.",
    undone="Puts the old value back where nobody has fetched the message meanwhile.",
    rests_on=EVERYTHING - {Evidence.history},
)
