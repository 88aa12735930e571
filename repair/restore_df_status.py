from holystone.mend.repair import Repair, Safety, Step, set_expected
from holystone.pg_durable.copy import Drift
from holystone.scan.evidence import Evidence
from holystone.scan.relations.extension_instances import ExtensionInstanceFacts


def _is_wrong(facts: ExtensionInstanceFacts) -> bool:
    return facts.drift is not Drift.too_late


def _steps(facts: ExtensionInstanceFacts) -> list[Step]:
    return list(set_expected(facts.status, facts.completed_at, facts.updated_at))


def _in_doubt(facts: ExtensionInstanceFacts) -> str | None:
    """The worker has not written another outcome itself, and something can take on what is to go on."""
    if facts.may_be_stuck:
        return "nothing could take the instance on: it may have ended, and the event that says so is lost"
    root = facts.root
    if facts.drift is Drift.differs and root is not None and root.progress.wrote == facts.row["status"]:
        return "the worker wrote this status itself, before the engine ended the instance in another way"
    return None


REPAIR = Repair[ExtensionInstanceFacts](
    id="restore-df-status",
    title="Give the row in df.instances what the history tells",
    safety=Safety.safe,
    steps=_steps,
    applies=_is_wrong,
    does=(
        "Sets status, completed_at and updated_at of one row in df.instances to what the worker's activity, or "
        "df.cancel, would have written: the status by which the history has ended, with the time of that write where "
        "the history has it, or of the end. Where there is no end, running, or pending before the graph is read."
    ),
    loses="The old values, which the journal keeps. No row of the engine is touched.",
    needs=(
        "UPDATE on df.instances and BYPASSRLS, or the rights of the owner; that nobody holds the row, and that the "
        "engine is not in the middle of a turn of the instance."
    ),
    undone="Puts the old values back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.history, Evidence.chain, Evidence.store}),
    unsafe_because=_in_doubt,
)
