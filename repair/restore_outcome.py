from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import ExecutionFacts


def _end_may_be_lost(facts: ExecutionFacts) -> str | None:
    """Something can still take the execution on where it is to run again, for else the event that ended it is lost."""
    if not facts.end_may_be_lost:
        return None
    return "nothing could take the execution on if it ran: it may have ended, and the event that says so is lost"


REPAIR = Repair[ExecutionFacts](
    id="restore-outcome",
    title="Give the execution the outcome that its history tells",
    safety=Safety.safe,
    steps=lambda facts: set_expected(facts.status, facts.output, facts.completed_at),
    applies=always,
    does=(
        "Sets status and output to what the terminal event makes them, and completed_at to the event's own time where "
        "the row has none; without a terminal event, Running and NULL. A completed_at that the engine wrote stays."
    ),
    loses="The three old values, which the journal keeps. No event and no message is touched.",
    needs="A history whose last event can be read, and that the engine is not in the middle of a turn of the instance.",
    undone="Puts the old values back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.history, Evidence.instance, Evidence.store}),
    unsafe_because=_end_may_be_lost,
)
