from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import Evidence
from holystone.scan.relations.messages import MessageFacts
from holystone.scan.relations.queues import QueueFacts
from holystone.scan.relations.worker_items import WorkerItemFacts

AWAITED = "an execution waits for the activity that the columns say, and the message alone may be wrong"


def _may_be_the_message(facts: QueueFacts) -> str | None:
    """The message is an activity, and no execution waits for the one that the columns say; or it is an answer that the
    instance which it names alone lacks, and no timer that would fire too early; or it begins the next execution of that
    instance, which has continued as new; or it lies under an instance that is not there, and names one that is.
    """
    if isinstance(facts, WorkerItemFacts):
        return AWAITED if facts.is_awaited else None
    if not isinstance(facts, MessageFacts) or facts.is_misplaced:
        return None
    return "nothing tells whether the column is wrong or the message: somebody may have altered either"


REPAIR = Repair[QueueFacts](
    id="restore-identity",
    title="Take the columns of the queue from the message",
    safety=Safety.safe,
    steps=lambda facts: set_expected(*facts.copies),
    applies=always,
    does="Sets those of instance_id, execution_id, activity_id, session_id and tag that differ from the message.",
    loses="The old values, which the journal keeps. The message itself is what the engine goes by, and stays.",
    needs="A message that can be read, and that the engine is not in the middle of a turn of the instance.",
    undone="Puts the old values back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.executions, Evidence.instance, Evidence.keys, Evidence.turn, Evidence.store}),
    unsafe_because=_may_be_the_message,
)
