from holystone.pg_durable.copy import Drift
from holystone.scan.check import Check, Level, Severity
from holystone.scan.relations.extension import POSTGRESQL
from holystone.scan.relations.extension_instances import EXTENSION_INSTANCES

CHECK = Check(
    id="D001",
    name="copy-behind",
    title="pg_durable says that an instance goes on which has ended",
    severity=Severity.error,
    level=Level.standard,
    flavours=POSTGRESQL,
    relation=EXTENSION_INSTANCES,
    violated=lambda instance: instance.may_differ,
    expects=lambda facts: facts.wrong_where(Drift.behind),
    cause=lambda facts: facts.cause,
    message="df.instances says {observed[status]!r}, and by its history it is {expected[status]!r}",
    asserts=(
        "The status in df.instances is completed, failed or cancelled once the history of the instance has ended. The "
        "worker writes it in an activity before the engine appends the end, and df.cancel right after it has told the "
        "engine to cancel."
    ),
    harm=(
        "It stays so for ever: pg_durable's own reconciliation touches only rows that say that they have ended. "
        "Whoever waits for the instance waits in vain, no retention ever takes it, and its owner has no way out but "
        "another df.cancel."
    ),
    how_to_look={
        "postgresql": (
            "SELECT i.id, i.status, i.submitted_by, h.event_data FROM df.instances i CROSS JOIN LATERAL (SELECT * FROM "
            "history h WHERE h.instance_id = i.id ORDER BY h.execution_id DESC, h.event_id DESC LIMIT 1) h "
            "WHERE coalesce(i.status, '') NOT IN ('completed', 'failed', 'cancelled') "
            'AND h.event_data ~ \'"type":"Orchestration(Completed|Failed)"\';'
        )
    },
    false_alarms=(
        "None is known. Nothing is said within the race window after the end, nor while a transaction that runs has "
        "written to the row or locked it, such as one that has called df.cancel and is open still. The query does not "
        "know of either."
    ),
    example=(
        "df.cancel was called in a transaction that was rolled back: the engine had been told already. df.start was "
        "called in a transaction that took more than five seconds. pg_durable was upgraded while a JOIN or a RACE was "
        "under way, which the new version cannot replay."
    ),
    repair="restore-df-status",
    questions=frozenset(),
)
