from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import ExecutionFacts

REPAIR = Repair[ExecutionFacts](
    id="restore-completed-at",
    title="Take completed_at from the terminal event",
    safety=Safety.safe,
    steps=lambda facts: set_expected(facts.completed_at),
    applies=always,
    does="Sets completed_at to the terminal event's timestamp_ms, in the form that the engine uses in this store.",
    loses="The old value, which the journal keeps. The engine's own time of the ack lay some milliseconds later.",
    needs="A terminal event that can be read, and a status that agrees with it.",
    undone="Puts the old value back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.history, Evidence.store}),
)
