from collections.abc import Sequence

from holystone.mend.repair import Repair, Safety, Set, Step, always
from holystone.scan.evidence import EVERYTHING, Evidence
from holystone.scan.relations.requests import RequestFacts


def _steps(facts: RequestFacts) -> Sequence[Step]:
    return [Set({"work_item": facts.row["work_item"]}, {"work_item": facts.restored})]


def _may_be_the_event(facts: RequestFacts) -> str | None:
    """Something else says the same as the event: the column of an activity's session_id or tag, visible_at of a timer,
    the output of an execution that continued as new.
    """
    if all(one.name in facts.proven for one in facts.wrong):
        return None
    return "nothing tells whether the message is wrong or the event: somebody may have altered either"


REPAIR = Repair(
    id="restore-request",
    title="Let the message ask for what the event says",
    safety=Safety.safe,
    steps=_steps,
    applies=always,
    does="Sets those fields of work_item that differ to what the event has; the rest of the message stays.",
    loses="The old text, which the journal keeps.",
    needs="An event that can be read, and that the engine is not in the middle of a turn of the instance.",
    undone="Puts the old text back where the row is still as the repair left it.",
    # That the columns are taken from the message has to wait for it, and not the other way round.
    rests_on=EVERYTHING - {Evidence.queue},
    unsafe_because=_may_be_the_event,
)
