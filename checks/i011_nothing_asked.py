from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.running_executions import RUNNING_EXECUTIONS

CHECK = Check(
    id="I011",
    name="nothing-asked",
    title="An execution runs and has nothing to wait for",
    severity=Severity.error,
    level=Level.standard,
    flavours=BOTH,
    relation=RUNNING_EXECUTIONS,
    violated=lambda wait: wait.may_ask_nothing,
    expects=lambda facts: [facts.asks_for],
    cause=no_cause,
    message="its history has {observed[asks_for]} open, so its last events are gone",
    asserts=(
        "The history of an execution that runs leaves something open: an activity, a timer or a child that has not "
        "answered, or a subscription to events. A turn of the engine's goes on until the orchestration waits, and "
        "appends what it waits for, or else its end; turns are stored whole."
    ),
    harm=(
        "Events at the end of the history are gone. A message is there that begins a turn, and in that turn the "
        "orchestration does again what these events told: activities run twice, and an event from outside that came "
        "for a lost subscription is thrown away."
    ),
    how_to_look=(
        "SELECT e.instance_id, e.execution_id, h.event_id, h.event_data FROM executions e JOIN instances i "
        "ON i.instance_id = e.instance_id AND i.current_execution_id = e.execution_id JOIN history h "
        "ON h.instance_id = e.instance_id AND h.execution_id = e.execution_id AND h.event_id = (SELECT max(l.event_id) "
        "FROM history l WHERE l.instance_id = e.instance_id AND l.execution_id = e.execution_id) "
        "WHERE e.status = 'Running' "
        'AND h.event_data NOT LIKE \'%"type":"ExternalSubscribed"%\' '
        'AND h.event_data NOT LIKE \'%"type":"ExternalSubscribedPersistent"%\' '
        'AND h.event_data NOT LIKE \'%"type":"ActivityScheduled"%\' '
        'AND h.event_data NOT LIKE \'%"type":"TimerCreated"%\' '
        'AND h.event_data NOT LIKE \'%"type":"SubOrchestrationScheduled"%\';'
    ),
    false_alarms=(
        "None is known. An orchestration that waits for something outside of the engine, against its rules, looks the "
        "same. The query shows more: what an earlier event asks for may still be open. Where nothing can wake the "
        "execution either, I007 tells it instead."
    ),
    example="The newest rows of history were lost in a restore, and the queues were not.",
    repair=NoRepair("events that are gone can only come from a backup"),
    questions=frozenset({Evidence.history}),
)
