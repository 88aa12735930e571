from holystone.scan.check import BOTH, Check, Level, Severity, no_cause
from holystone.scan.relations.locks import LOCKS

CHECK = Check(
    id="Q005",
    name="lock-orphan",
    title="A lock is of an instance of which nothing else is left",
    severity=Severity.info,
    level=Level.quick,
    flavours=BOTH,
    relation=LOCKS,
    violated=lambda lock: lock.orphan,
    expects=lambda facts: [facts.instance],
    cause=no_cause,
    message="it has expired, and there is neither such an instance nor a message that could start it",
    asserts=(
        "A row of instance_locks is of an instance that has a row in instances, or messages that start it. That it has "
        "expired is normal: it stays until a dispatcher takes it over or an ack removes it."
    ),
    harm="None but its room: nobody takes it over any more, so that it stays for ever.",
    how_to_look=(
        "SELECT l.instance_id, l.locked_until, l.locked_at FROM instance_locks l "
        "WHERE NOT EXISTS (SELECT 1 FROM instances i WHERE i.instance_id = l.instance_id) "
        "AND NOT EXISTS (SELECT 1 FROM orchestrator_queue q WHERE q.instance_id = l.instance_id);"
    ),
    false_alarms="None is known. A lock that expired within --race-window is passed over.",
    example="The messages of an instance that was being started were deleted by hand.",
    repair="remove-lock",
    questions=frozenset(),
)
