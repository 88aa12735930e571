from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import Evidence
from holystone.scan.relations.custom_statuses import StatusFacts

REPAIR = Repair[StatusFacts](
    id="restore-custom-status",
    title="Show the custom status that the events set last",
    safety=Safety.safe,
    steps=lambda facts: set_expected(facts.custom_status, facts.custom_status_version),
    applies=always,
    does=(
        "Sets custom_status to what the last CustomStatusUpdated set, or to what was carried over. Its version "
        "stays, so a client that waits for a change does not see this one before the next; but 0, beside which no "
        "client sees any status, becomes the number of such events, 1 at least."
    ),
    loses="The old text and version, which the journal keeps.",
    needs="A history that can be read, and that the engine is not in the middle of a turn of the instance.",
    undone="Puts the old text back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.history, Evidence.chain, Evidence.instance, Evidence.store}),
)
