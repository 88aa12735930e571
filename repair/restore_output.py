from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import ExecutionFacts

REPAIR = Repair[ExecutionFacts](
    id="restore-output",
    title="Take the output from the terminal event",
    safety=Safety.safe,
    steps=lambda facts: set_expected(facts.output),
    applies=always,
    does="Sets output to the terminal event's output, display message or input; to NULL while the execution runs.",
    loses="The old text, which the journal keeps.",
    needs="A history that can be read, and a status that agrees with it.",
    undone="Puts the old text back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.history, Evidence.store}),
)
