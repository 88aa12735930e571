from holystone.scan.check import BOTH, Check, Level, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.messages import MESSAGES
from holystone.scan.relations.worker_items import WORKER_ITEMS

CHECK = Check(
    id="Q010",
    name="message-mistimed",
    title="A message is due at another time than the one that it asks for",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=(MESSAGES, WORKER_ITEMS),
    violated=lambda message: message.mistimed,
    expects=lambda facts: [facts.visible_at],
    cause=no_cause,
    message="visible_at is {observed[visible_at]!r}, and should be {expected[visible_at]!r}",
    asserts=(
        "Of all messages TimerFired alone asks for a time: the ack puts it at its fire_at_ms. All others are due from "
        "their making on. An attempt that failed puts a message off by some seconds, by a minute at most unless a "
        "runtime is set otherwise; so nothing that has not been fetched yet is due more than 15 minutes from now, and "
        "nothing at all more than a day, by the database's clock, but a timer at its own time. No timer that is still "
        "to come is due before it."
    ),
    harm=(
        "The message is not fetched until then, and its instance or its activity waits. A timer that is due too early "
        "fires too early, for the engine does not compare the two."
    ),
    how_to_look={
        "sqlite": (
            "SELECT instance_id, id, visible_at, work_item FROM orchestrator_queue WHERE visible_at > "
            "unixepoch() * 1000 + 900000 AND work_item NOT LIKE '{\"TimerFired\":%' OR work_item LIKE "
            "'{\"TimerFired\":%' AND visible_at <> json_extract(work_item, '$.TimerFired.fire_at_ms') UNION ALL "
            "SELECT instance_id, id, visible_at, work_item FROM worker_queue WHERE visible_at > "
            "unixepoch() * 1000 + 900000;"
        ),
        "postgresql": (
            "SELECT instance_id, id, visible_at::text, work_item FROM orchestrator_queue WHERE visible_at > now() + "
            "interval '15 minutes' AND work_item NOT LIKE '{\"TimerFired\":%' OR work_item LIKE '{\"TimerFired\":%' "
            "AND round(extract(epoch FROM visible_at) * 1000)::text <> substring(work_item, "
            "'\"fire_at_ms\": {0,1}([0-9]+)') UNION ALL SELECT instance_id, id, visible_at::text, work_item FROM "
            "worker_queue WHERE visible_at > now() + interval '15 minutes';"
        ),
    },
    false_alarms=(
        "A runtime whose back-off was set to more than a day; a machine of the engine's whose clock is more than 15 "
        "minutes ahead of the database's. A kind of message that this version does not know is passed over."
    ),
    example="A script that was to put messages off by an hour took seconds for milliseconds, or the reverse.",
    repair="restore-visible-at",
    questions=frozenset({Evidence.queue}),
)
