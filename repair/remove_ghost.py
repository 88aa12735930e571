from holystone.mend.repair import Repair, Safety, delete_row
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import ExecutionFacts


def _is_ghost(facts: ExecutionFacts) -> bool:
    return facts.is_ghost


REPAIR = Repair(
    id="remove-ghost",
    title="Remove an execution of which nothing else exists",
    safety=Safety.unsafe,
    steps=delete_row,
    applies=_is_ghost,
    does="Deletes the row of executions.",
    loses="The row, which the journal keeps whole. There is no event to lose.",
    needs=(
        "No row in instances, no event in history, no message in orchestrator_queue, and a minute of age: so an "
        "instance that is just being started is none. It is unsafe because a backup may hold what is missing here."
    ),
    undone="Inserts the row again as it was, where there is none by that key.",
    rests_on=frozenset({Evidence.store}),
)
