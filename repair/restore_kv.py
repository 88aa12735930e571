from collections.abc import Sequence

from holystone.mend.repair import Repair, Safety, Step, always, reconcile_row
from holystone.scan.evidence import Evidence
from holystone.scan.relations.kv_replay import KvReplayFacts


def _steps(facts: KvReplayFacts) -> Sequence[Step]:
    return [
        step
        for one in facts.mismatches
        for step in reconcile_row(one.table, {"instance_id": facts.instance_id, "key": one.key}, one.row, one.wanted)
    ]


REPAIR = Repair(
    id="restore-kv",
    title="Make the keys what the history says",
    safety=Safety.safe,
    steps=_steps,
    applies=always,
    does=(
        "Adds, changes and deletes rows of kv_store and kv_delta so that they hold what all events of keys leave, "
        "those of the ended executions in kv_store and those of the running one in kv_delta."
    ),
    loses="The old values, which the journal keeps.",
    needs=(
        "A history that is whole from the first execution on and can be read, and that the engine is not in the middle "
        "of a turn of the instance."
    ),
    undone="Puts the rows back as they were, where all of them are still as the repair left them.",
    rests_on=frozenset({Evidence.history, Evidence.chain, Evidence.instance, Evidence.store}),
)
