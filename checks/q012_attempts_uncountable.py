from sqlalchemy import not_

from holystone.scan.check import BOTH, Check, Level, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.messages import MESSAGES
from holystone.scan.relations.worker_items import WORKER_ITEMS

CHECK = Check(
    id="Q012",
    name="attempts-uncountable",
    title="The attempts of a message are no number that the engine can count on from",
    severity=Severity.critical,
    level=Level.quick,
    flavours=BOTH,
    relation=(MESSAGES, WORKER_ITEMS),
    violated=lambda message: not_(message.counts),
    expects=lambda facts: [facts.attempt_count],
    cause=no_cause,
    message="attempt_count is {observed[attempt_count]!r}",
    asserts=(
        "attempt_count in both queues is a whole number, 0 or more, and so small that one can be added in the column: "
        "below 2147483647."
    ),
    harm=(
        "On SQLite a worker that comes upon anything but a whole number in worker_queue fails, and comes upon it "
        "again: no activity of the store runs any more. On PostgreSQL the next fetch of a count at the end of the "
        "column fails, and every one after it; a negative one counts as four thousand million, so that the engine "
        "gives the message up as poison."
    ),
    how_to_look={
        "sqlite": (
            "SELECT instance_id, id, attempt_count, typeof(attempt_count) FROM orchestrator_queue WHERE "
            "typeof(attempt_count) <> 'integer' OR attempt_count NOT BETWEEN 0 AND 2147483646 UNION ALL "
            "SELECT instance_id, id, attempt_count, typeof(attempt_count) FROM worker_queue WHERE "
            "typeof(attempt_count) <> 'integer' OR attempt_count NOT BETWEEN 0 AND 2147483646;"
        ),
        "postgresql": (
            "SELECT instance_id, id, attempt_count FROM orchestrator_queue WHERE "
            "attempt_count NOT BETWEEN 0 AND 2147483646 "
            "UNION ALL SELECT instance_id, id, attempt_count FROM worker_queue WHERE "
            "attempt_count NOT BETWEEN 0 AND 2147483646;"
        ),
    },
    false_alarms="None is known.",
    example="A script that was to give a message more attempts set a negative number, or a text.",
    repair="restore-attempts",
    questions=frozenset({Evidence.turn}),
)
