from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import Evidence
from holystone.scan.relations.start_events import StartFacts


def _answers_to_nobody(facts: StartFacts) -> str | None:
    """Its parent is there, or the instance has ended."""
    if not facts.parent_deleted or facts.ended:
        return None
    return "its parent is deleted and it still runs: when it ends it answers to nobody, which halts a store on SQLite"


REPAIR = Repair[StartFacts](
    id="restore-parent",
    title="Link the instance to the parent that its events name",
    safety=Safety.safe,
    steps=lambda facts: set_expected(facts.parent_instance_id),
    applies=always,
    does=(
        "Sets parent_instance_id to the parent that the start event names; to NULL where it names none, or where "
        "nothing at all is left of that parent, so that the engine can delete the instance as a root of its own."
    ),
    loses="The old value, which the journal keeps. Should the parent come back, the check finds the link missing.",
    needs=(
        "A start event that tells. Of a chain that was begun by an engine before 0.1.30 it is the first one, which may "
        "be pruned: then nothing is done."
    ),
    undone="Puts the old value back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.history, Evidence.chain, Evidence.executions, Evidence.instance, Evidence.store}),
    unsafe_because=_answers_to_nobody,
)
