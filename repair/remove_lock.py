from holystone.mend.repair import Repair, Safety, always, delete_row
from holystone.scan.evidence import Evidence

REPAIR = Repair(
    id="remove-lock",
    title="Remove a lock of which nothing else exists",
    safety=Safety.safe,
    steps=delete_row,
    applies=always,
    does="Deletes the row of instance_locks.",
    loses="The row, which the journal keeps whole.",
    needs="No row in instances, no message in orchestrator_queue, and a lock that has expired.",
    undone="Inserts the row again as it was, where there is none by that key.",
    rests_on=frozenset({Evidence.store}),
)
