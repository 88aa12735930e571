from holystone.mend.repair import Repair, Safety, always, delete_row
from holystone.scan.evidence import Evidence

REPAIR = Repair(
    id="park-message",
    title="Take the message out of the queue and keep it in the journal",
    safety=Safety.unsafe,
    steps=delete_row,
    applies=always,
    does="Deletes the row of the queue.",
    loses=(
        "Nothing: the journal keeps the row whole. But nobody gets the message until it is put back, and whoever waits "
        "for it goes on waiting; so it is for those to decide who know what it was to do."
    ),
    needs=(
        "That the row is as it was planned. Where the engine fetches it again and again, its attempts change and its "
        "instance is locked: stop the engine for the moment, or plan and apply in one go."
    ),
    undone="Puts the row back under its own id, with its attempts, so that it is again where it was in the queue.",
    rests_on=frozenset({Evidence.store}),
)
