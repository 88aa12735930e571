from holystone.mend.repair import Repair, Safety, always, set_expected
from holystone.scan.evidence import Evidence
from holystone.scan.relations.status_versions import VersionFacts


def _may_be_less(facts: VersionFacts) -> str | None:
    """Its events tell of every update."""
    if facts.updates.are_all:
        return None
    return "its events do not tell of every update, so clients may have seen a greater version"


REPAIR = Repair[VersionFacts](
    id="restore-status-version",
    title="Count the updates of the custom status anew",
    safety=Safety.safe,
    steps=lambda facts: set_expected(facts.custom_status_version),
    applies=always,
    does=(
        "Sets custom_status_version to the number of events CustomStatusUpdated of all executions, and to 1 at least "
        "beside a status of which events do not tell. That is never less than what the engine had counted, as it "
        "counts several updates of one turn once: a client may see the same status once more, and misses none."
    ),
    loses=(
        "The old value, which the journal keeps. A client that saw a greater one, such as the last number of the "
        "column, has to begin with 0 again."
    ),
    needs="A history that can be read, and that the engine is not in the middle of a turn of the instance.",
    undone="Puts the old value back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.history, Evidence.chain, Evidence.instance, Evidence.store}),
    unsafe_because=_may_be_less,
)
