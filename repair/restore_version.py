from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import EVERYTHING
from holystone.scan.relations.pins import PinFacts


def _may_be_the_event(facts: PinFacts) -> str | None:
    """The event names a version of the engine that is known."""
    if not facts.may_be_newer:
        return None
    return "the event names a version of the engine that is not known here: somebody may have altered the event"


REPAIR = Repair[PinFacts](
    id="restore-version",
    title="Pin the execution to the version that began it",
    safety=Safety.safe,
    steps=lambda facts: set_expected(*facts.pinned),
    applies=always,
    does="Sets duroxide_version_major, duroxide_version_minor and duroxide_version_patch to those of the start event.",
    loses="The old numbers, which the journal keeps.",
    needs="A start event that can be read, and that the engine is not in the middle of a turn of the instance.",
    undone="Puts the old numbers back where the row is still as the repair left it.",
    rests_on=EVERYTHING,
    unsafe_because=_may_be_the_event,
)
