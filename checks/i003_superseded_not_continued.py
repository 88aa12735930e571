from sqlalchemy import and_, not_

from holystone.scan.check import BOTH, Check, Level, NoRepair, Proof, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import EXECUTIONS

CHECK = Check(
    id="I003",
    name="superseded-not-continued",
    title="An execution that others follow did not continue as new",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=EXECUTIONS,
    violated=lambda execution: and_(execution.is_superseded, not_(execution.surely_continued)),
    expects=lambda facts: [facts.ending],
    cause=no_cause,
    message="later executions follow it, yet by its history it is {observed[ending]}",
    asserts=(
        "Each execution but the last one of an instance ended in OrchestrationContinuedAsNew: nothing else makes the "
        "engine begin a further one, and it begins it from the message that the same ack has queued."
    ),
    harm=(
        "Half of what happened is lost, or never happened. One that looks as if it runs is never pruned and counts as "
        "running for ever; the messages that it waits for go to the current execution, which drops them."
    ),
    how_to_look=(
        "SELECT e.instance_id, e.execution_id, e.status, i.current_execution_id FROM executions e JOIN instances i "
        "ON i.instance_id = e.instance_id WHERE e.execution_id < i.current_execution_id AND NOT EXISTS (SELECT 1 FROM "
        "history h WHERE h.instance_id = e.instance_id AND h.execution_id = e.execution_id "
        'AND h.event_data LIKE \'%"type":"OrchestrationContinuedAsNew"%\');'
    ),
    false_alarms=(
        "None is known. Executions without history are reported by E008, and those with an event that cannot be read "
        "are passed over."
    ),
    example="The last events of an execution were lost in a restore from two backups of different age.",
    repair=NoRepair("nobody can tell from the rows whether the end of this execution or the next one is wrong"),
    questions=frozenset({Evidence.history, Evidence.instance}),
    proved_by=Proof.boundary_events,
)
