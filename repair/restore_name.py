from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import Evidence
from holystone.scan.relations.start_events import StartFacts

REPAIR = Repair[StartFacts](
    id="restore-name",
    title="Take name and version from the start event",
    safety=Safety.safe,
    steps=lambda facts: set_expected(facts.orchestration_name, facts.orchestration_version),
    applies=always,
    does="Sets orchestration_name and orchestration_version to those of the event that began the current execution.",
    loses="The old values, which the journal keeps.",
    needs="A start event that can be read, and that the engine is not in the middle of a turn of the instance.",
    undone="Puts the old values back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.history, Evidence.chain, Evidence.instance, Evidence.store}),
)
