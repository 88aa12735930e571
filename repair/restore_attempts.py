from holystone.mend.repair import Repair, Safety, always, setting
from holystone.scan.evidence import EVERYTHING, Evidence

REPAIR = Repair(
    id="restore-attempts",
    title="Count the attempts anew",
    safety=Safety.safe,
    steps=setting("attempt_count"),
    applies=always,
    does="Sets attempt_count to 0.",
    loses="The old value, which the journal keeps: how often the message was tried cannot be told from it.",
    needs="That the engine is not in the middle of a turn of the instance.",
    undone="Puts the old value back where nobody has fetched the message meanwhile.",
    rests_on=EVERYTHING - {Evidence.history},
)
