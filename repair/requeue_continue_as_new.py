from collections.abc import Sequence

from holystone.mend.repair import Insert, Repair, Safety, Step
from holystone.scan.evidence import EVERYTHING
from holystone.scan.relations.executions import ExecutionFacts


def _can_be_told(facts: ExecutionFacts) -> bool:
    end = facts.chain_end
    return end is not None and end.message is not None and not end.is_taken


def _message(facts: ExecutionFacts) -> Sequence[Step]:
    end = facts.chain_end
    assert end is not None
    assert end.message is not None
    # Its time is that of the event, which is past: so a plan made twice comes out the same.
    moment = {
        "visible_at": facts.flavour.queue_time(end.ended_at_ms),
        "created_at": facts.flavour.created_at(end.ended_at_ms),
    }
    key = {"instance_id": facts.instance_id, "work_item": end.message.to_json()}
    return [Insert("orchestrator_queue", key, moment)]


REPAIR = Repair(
    id="requeue-continue-as-new",
    title="Queue the message that begins the next execution once more",
    safety=Safety.unsafe,
    steps=_message,
    applies=_can_be_told,
    does=(
        "Puts a ContinueAsNew message into orchestrator_queue, made from the events as the engine makes it: the input "
        "for the next execution, its parent, its custom status, and the queued events that nobody had taken."
    ),
    loses=(
        "Nothing is overwritten. But no event tells of a version that continue-as-new asked for, so the newest one is "
        "taken that is registered; nor of what was sent to the instance meanwhile: the engine has dropped that. "
        "It is unsafe because the work goes on from where it stopped, however long ago."
    ),
    needs=(
        "A history that can be read from its first event on, no later execution nor events of one, and no message for "
        "the instance that begins one or cannot be read. Make sure that nobody has parked the message, or begun the "
        "work anew elsewhere."
    ),
    undone="Takes the message away again, as long as the engine has not taken it.",
    rests_on=EVERYTHING,
)
