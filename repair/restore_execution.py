from collections.abc import Sequence

from holystone.mend.repair import Insert, Repair, Safety, Step
from holystone.scan.evidence import Evidence
from holystone.scan.relations.histories import HistoryFacts


def _is_told(facts: HistoryFacts) -> bool:
    return facts.row is not None and facts.instance_exists


def _steps(facts: HistoryFacts) -> Sequence[Step]:
    assert facts.row is not None
    return [Insert("executions", facts.key, facts.row)]


def _doubt(facts: HistoryFacts) -> str | None:
    """The row of instances is not at an earlier execution, for then an earlier instance may have left the history; and
    an execution that has not ended can go on, for else its end may be lost. One that has continued as new does go on.
    """
    if facts.beyond:
        return "the row of instances is at an earlier execution: this history may be what an earlier one left behind"
    if facts.would_be_stuck:
        return "nothing could take the execution on: it may have ended, and the event that says so is lost"
    if facts.would_be_broken:
        return "it continued as new, and nothing begins the next execution: I006 tells of it once there is a row"
    return None


REPAIR = Repair(
    id="restore-execution",
    title="Make the row of an execution anew from its events",
    safety=Safety.safe,
    steps=_steps,
    applies=_is_told,
    does=(
        "Inserts the row of executions as the acks of these events wrote it: status, output and completed_at from the "
        "event that ended it, or Running without one; started_at and the engine's version from its start."
    ),
    loses="Nothing. The engine's own times of the acks lay some milliseconds after those of the events.",
    needs=(
        "A row in instances, a start that can be read, and an end that can be read or none; and that the engine is not "
        "in the middle of a turn of the instance."
    ),
    undone="Removes the row again where it is still as the repair made it.",
    rests_on=frozenset({Evidence.history, Evidence.store}),
    unsafe_because=_doubt,
)
