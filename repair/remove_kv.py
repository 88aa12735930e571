from holystone.mend.repair import Repair, Safety, delete_row
from holystone.scan.evidence import Evidence
from holystone.scan.relations.kv_rows import KeyFacts


def _is_alone(facts: KeyFacts) -> bool:
    return facts.alone


REPAIR = Repair(
    id="remove-kv",
    title="Remove a key of an instance of which nothing else exists",
    safety=Safety.safe,
    steps=delete_row,
    applies=_is_alone,
    does="Deletes the row of kv_store or kv_delta.",
    loses="The row, which the journal keeps whole.",
    needs=(
        "No row of the instance in instances, executions, history or a queue: where one is left, the instance may "
        "still be brought back, and its keys with it."
    ),
    undone="Inserts the row again as it was, where there is none by that key.",
    rests_on=frozenset({Evidence.store}),
)
