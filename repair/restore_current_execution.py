from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import Evidence
from holystone.scan.relations.instances import InstanceFacts


def _doubt(facts: InstanceFacts) -> str | None:
    """The executions lead one to the next up to the newest one, each but that by continuing as new."""
    return facts.doubt


REPAIR = Repair[InstanceFacts](
    id="restore-current-execution",
    title="Point the instance at its newest execution",
    safety=Safety.safe,
    steps=lambda facts: set_expected(facts.current_execution_id),
    applies=always,
    does="Sets current_execution_id to the highest execution_id of the instance.",
    loses="The old number, which the journal keeps.",
    needs="That the engine is not in the middle of a turn of the instance.",
    undone="Puts the old number back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.history, Evidence.chain, Evidence.executions, Evidence.store}),
    unsafe_because=_doubt,
)
