from holystone.pg_durable.copy import Drift
from holystone.scan.check import Check, Level, Severity
from holystone.scan.relations.extension import POSTGRESQL
from holystone.scan.relations.extension_instances import EXTENSION_INSTANCES

CHECK = Check(
    id="D002",
    name="copy-ahead",
    title="pg_durable says that an instance has ended which goes on",
    severity=Severity.critical,
    level=Level.standard,
    flavours=POSTGRESQL,
    relation=EXTENSION_INSTANCES,
    violated=lambda instance: instance.may_differ,
    expects=lambda facts: facts.wrong_where(Drift.ahead),
    cause=lambda facts: facts.cause,
    message="df.instances says {observed[status]!r}, and the engine goes on with it",
    asserts=(
        "Where df.instances says that an instance has ended and its history has no end, the last status that the "
        "history asked the worker to write is that one; or it was cancelled, and the engine has been told."
    ),
    harm=(
        "Its work is done though its owner believes that there is nothing to come. And retention deletes the rows of "
        "df.instances and df.nodes while the engine goes on: what is left nobody can list or cancel any more."
    ),
    how_to_look={
        "postgresql": (
            "SELECT i.id, i.status, i.submitted_by FROM df.instances i LEFT JOIN LATERAL (SELECT * FROM history h "
            "WHERE h.instance_id = i.id ORDER BY h.execution_id DESC, h.event_id DESC LIMIT 1) h ON true "
            "WHERE i.status IN ('completed', 'failed', 'cancelled') "
            'AND (h.event_data !~ \'"type":"Orchestration(Completed|Failed)"\' OR (h.event_data IS NULL '
            "AND EXISTS (SELECT 1 FROM orchestrator_queue q WHERE q.instance_id = i.id "
            "AND q.work_item LIKE '{\"StartOrchestration\"%')));"
        )
    },
    false_alarms=(
        "None is known. A worker that is down leaves what it has written before the engine's end, for as long as it is "
        "down: of that nothing is said, nor of a cancellation on its way. The query knows of neither."
    ),
    example=(
        "The engine's schema was restored from an older dump than df's tables. The owner of an instance wrote the "
        "status himself: pg_durable grants that."
    ),
    repair="restore-df-status",
    questions=frozenset(),
)
