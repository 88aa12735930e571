from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import ExecutionFacts

REPAIR = Repair[ExecutionFacts](
    id="clear-completed-at",
    title="Clear the completed_at of a running execution",
    safety=Safety.safe,
    steps=lambda facts: set_expected(facts.completed_at),
    applies=always,
    does="Sets completed_at to NULL.",
    loses="The old value, which the journal keeps.",
    needs="A history without a terminal event, and that the engine is not in the middle of a turn of the instance.",
    undone="Puts the old value back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.history, Evidence.store}),
)
