from holystone.pg_durable.copy import Drift
from holystone.scan.check import Check, Level, Severity
from holystone.scan.relations.extension import POSTGRESQL
from holystone.scan.relations.extension_instances import EXTENSION_INSTANCES

CHECK = Check(
    id="D003",
    name="outcome-differs",
    title="pg_durable says that an instance has ended in another way than it did",
    severity=Severity.error,
    level=Level.standard,
    flavours=POSTGRESQL,
    relation=EXTENSION_INSTANCES,
    violated=lambda instance: instance.may_differ,
    expects=lambda facts: facts.wrong_where(Drift.differs, Drift.too_late),
    cause=lambda facts: facts.cause,
    message="df.instances says {observed[status]!r}, and by its history it is {expected[status]!r}",
    asserts=(
        "The status in df.instances is completed where the history ends with OrchestrationCompleted, cancelled where "
        "it was cancelled, and failed where it failed in another way. One that was cancelled before it ever ran fails "
        "by itself, and stays cancelled."
    ),
    harm=(
        "Whoever asks pg_durable for the outcome is told the wrong one: what has failed counts as done, or what is "
        "done is started once more."
    ),
    how_to_look={
        "postgresql": (
            "SELECT i.id, i.status, i.submitted_by, h.event_data FROM df.instances i CROSS JOIN LATERAL (SELECT * FROM "
            "history h WHERE h.instance_id = i.id ORDER BY h.execution_id DESC, h.event_id DESC LIMIT 1) h "
            "WHERE (h.event_data LIKE '%\"type\":\"OrchestrationCompleted\"%' AND i.status IN ('failed', 'cancelled')) "
            "OR (h.event_data LIKE '%\"type\":\"OrchestrationFailed\"%' AND (i.status = 'completed' "
            "OR (i.status = 'failed' AND h.event_data LIKE '%\"kind\":{\"Cancelled\"%')));"
        )
    },
    false_alarms=(
        "As an info, with the cause cancelled-too-late: the worker had written how the instance ended, and df.cancel "
        "came before the engine had appended it. Both are right, each for its part, and nothing is to be done."
    ),
    example="The owner of an instance wrote the status himself: pg_durable grants that.",
    repair="restore-df-status",
    questions=frozenset(),
    severity_of=lambda facts: Severity.info if facts.drift is Drift.too_late else Severity.error,
)
