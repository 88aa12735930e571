from sqlalchemy import not_

from holystone.scan.check import BOTH, Check, Level, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.messages import MESSAGES
from holystone.scan.relations.worker_items import WORKER_ITEMS

CHECK = Check(
    id="Q009",
    name="message-never-due",
    title="A message waits for a time that never comes",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=(MESSAGES, WORKER_ITEMS),
    violated=lambda message: not_(message.comes_due),
    expects=lambda facts: [facts.visible_at],
    cause=no_cause,
    message="visible_at is {observed[visible_at]!r}",
    asserts=(
        "visible_at in both queues is the time from which a message may be fetched: on SQLite a number, in ms since "
        "the epoch, though the column of orchestrator_queue takes anything; on PostgreSQL a moment before infinity."
    ),
    harm=(
        "No dispatcher and no worker ever sees the message, though it counts as waiting: each fetch looks for what is "
        "not later than now. In SQLite a text is later than every number; NULL is not earlier than anything, and "
        "infinity never comes."
    ),
    how_to_look={
        "sqlite": (
            "SELECT instance_id, id, visible_at, typeof(visible_at) FROM orchestrator_queue "
            "WHERE typeof(visible_at) NOT IN ('integer', 'real') OR visible_at = 9e999 UNION ALL "
            "SELECT instance_id, id, visible_at, typeof(visible_at) FROM worker_queue "
            "WHERE typeof(visible_at) NOT IN ('integer', 'real') OR visible_at = 9e999;"
        ),
        "postgresql": (
            "SELECT instance_id, id, visible_at::text FROM orchestrator_queue "
            "WHERE visible_at = 'infinity' OR visible_at IS NULL UNION ALL "
            "SELECT instance_id, id, visible_at::text FROM worker_queue "
            "WHERE visible_at = 'infinity' OR visible_at IS NULL;"
        ),
    },
    false_alarms="None is known.",
    example=(
        "A message was inserted by hand without visible_at: the column's own default is a text such as "
        "'2025-10-10 08:00:00'."
    ),
    repair="restore-visible-at",
    questions=frozenset({Evidence.queue}),
)
