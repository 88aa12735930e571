from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import Evidence
from holystone.scan.relations.event_facts import EventFacts

REPAIR = Repair[EventFacts](
    id="retype-event",
    title="Copy the event's type to its column",
    safety=Safety.safe,
    steps=lambda facts: set_expected(facts.event_type),
    applies=always,
    does="Sets history.event_type to the type inside event_data. The event itself is not touched.",
    loses="The old word, which the journal keeps.",
    needs="An event that can be read, of a type that is known here.",
    undone="Puts the old word back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.store}),
)
