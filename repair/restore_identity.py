from holystone.mend.repair import Repair, Safety, always, setting
from holystone.scan.evidence import Evidence
from holystone.scan.relations.queues import IDENTITY, ROUTING

REPAIR = Repair(
    id="restore-identity",
    title="Take the columns of the queue from the message",
    safety=Safety.safe,
    steps=setting(*IDENTITY, *ROUTING),
    applies=always,
    does="Sets those of instance_id, execution_id, activity_id, session_id and tag that differ from the message.",
    loses="The old values, which the journal keeps. The message itself is what the engine goes by, and stays.",
    needs="A message that can be read, and that the engine is not in the middle of a turn of the instance.",
    undone="Puts the old values back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.executions, Evidence.instance, Evidence.keys, Evidence.turn, Evidence.store}),
)
