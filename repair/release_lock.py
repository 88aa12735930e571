from collections.abc import Sequence

from holystone.mend.repair import Remove, Repair, Safety, Set, Step, always
from holystone.scan.evidence import EVERYTHING, Evidence
from holystone.scan.relations.leases import ENDLESS, LeaseFacts


def _steps(facts: LeaseFacts) -> Sequence[Step]:
    if not facts.is_of_message:
        return [Remove()]
    held = {"lock_token": facts.lock_token, "locked_until": facts.end}
    return [Set(held, dict.fromkeys(held))]


def _may_be_at_work(facts: LeaseFacts) -> str | None:
    """The lock is that of a turn, which the engine takes once more to no other effect; or of an activity, with a token
    and no end, so that whoever has it can neither renew the lock nor ack.
    """
    if not facts.is_of_worker or facts.cause == ENDLESS:
        return None
    return "a worker may hold it at this moment, and another one would do its work once more beside it"


REPAIR = Repair(
    id="release-lock",
    title="Release the lock",
    safety=Safety.safe,
    steps=_steps,
    applies=always,
    does=(
        "Does what the engine does when it abandons what it has taken: deletes the row of instance_locks or of "
        "sessions; sets lock_token and locked_until to NULL in a queue."
    ),
    loses="The lock, which the journal keeps. A turn that somebody is in the middle of is not acked, and taken again.",
    needs="A lock as it was planned, which no engine can have made.",
    undone="Puts the lock back where nobody has taken another one meanwhile.",
    rests_on=EVERYTHING - {Evidence.history},
    unsafe_because=_may_be_at_work,
)
