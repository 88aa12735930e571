from collections.abc import Sequence

from holystone.mend.repair import Remove, Repair, Safety, Step, reconcile_row
from holystone.scan.evidence import Evidence
from holystone.scan.relations.kv_rows import KeyFacts


def _is_borne_out(facts: KeyFacts) -> bool:
    return facts.merging is not None


def _steps(facts: KeyFacts) -> Sequence[Step]:
    of_key = {"instance_id": facts.instance_id}
    merging = facts.merging or ()
    stored = [
        step for one in merging for step in reconcile_row(one.table, {**of_key, "key": one.key}, one.row, one.wanted)
    ]
    return [*stored, Remove()]


REPAIR = Repair(
    id="merge-kv",
    title="Merge what the execution wrote into kv_store",
    safety=Safety.safe,
    steps=_steps,
    applies=_is_borne_out,
    does=(
        "Does what the ack at the end of the execution does: writes the value to kv_store, or deletes the key there "
        "where the execution cleared it, and deletes the row of kv_delta."
    ),
    loses="The value that kv_store had, which the journal keeps.",
    needs=(
        "A history that can be read, that says of each key which the instance has in kv_delta what is there, and that "
        "the engine is not in the middle of a turn of the instance. Where it says otherwise, K003 knows what should be "
        "there."
    ),
    undone="Puts the row of kv_delta back, and kv_store as it was, where both are still as the repair left them.",
    rests_on=frozenset({Evidence.history, Evidence.chain, Evidence.instance, Evidence.store}),
)
