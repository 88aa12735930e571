from holystone.scan.check import BOTH, Check, Level, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.leases import LEASES, LeaseFacts


def _cause(facts: LeaseFacts) -> str | None:
    return facts.cause


CHECK = Check(
    id="Q011",
    name="lock-lasting",
    title="A lock keeps the engine off for good",
    severity=Severity.critical,
    level=Level.quick,
    flavours=BOTH,
    relation=LEASES,
    violated=lambda lease: lease.lasting,
    expects=lambda facts: [facts.locked_until],
    cause=_cause,
    message="locked_until is {observed[locked_until]!r}, and not {expected[locked_until]}",
    asserts=(
        "A lock ends: locked_until is a number of ms since the epoch, not more than a day from now by the database's "
        "clock, in instance_locks and sessions, and where there is a lock_token in worker_queue. In orchestrator_queue "
        "it counts on PostgreSQL alone: there a lock that has not ended is that of its instance, with the same token."
    ),
    harm=(
        "The engine takes an instance, an activity or a session only once the lock has ended, so it waits for good. In "
        "SQLite a text is later than every number; with a token and no end, whoever has the activity can neither "
        "renew the lock nor ack. On PostgreSQL a message whose lock outlasts that of its instance is passed over: the "
        "fetch picks its instance again and again, and hands it out without the message."
    ),
    how_to_look={
        "sqlite": (
            "SELECT instance_id, 'instance_locks', locked_until FROM instance_locks WHERE typeof(locked_until) NOT IN "
            "('integer', 'real') OR locked_until > unixepoch() * 1000 + 86400000 UNION ALL "
            "SELECT instance_id, 'worker_queue', locked_until FROM worker_queue WHERE lock_token IS NOT NULL AND "
            "(typeof(locked_until) NOT IN ('integer', 'real') OR locked_until > unixepoch() * 1000 + 86400000) "
            "UNION ALL SELECT session_id, 'sessions', locked_until FROM sessions WHERE typeof(locked_until) NOT IN "
            "('integer', 'real') OR locked_until > unixepoch() * 1000 + 86400000;"
        ),
        "postgresql": (
            "WITH today AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms) "
            "SELECT instance_id, 'instance_locks', locked_until FROM instance_locks, today WHERE locked_until > ms + "
            "86400000 UNION ALL SELECT session_id, 'sessions', locked_until FROM sessions, today WHERE locked_until > "
            "ms + 86400000 UNION ALL SELECT instance_id, 'worker_queue', locked_until FROM worker_queue, today WHERE "
            "lock_token IS NOT NULL AND (locked_until IS NULL OR locked_until > ms + 86400000) UNION ALL "
            "SELECT instance_id, 'orchestrator_queue', locked_until FROM orchestrator_queue q, today WHERE "
            "lock_token IS NOT NULL AND (locked_until IS NULL OR locked_until > ms AND NOT EXISTS "
            "(SELECT 1 FROM instance_locks l WHERE l.instance_id = q.instance_id AND l.lock_token = q.lock_token));"
        ),
    },
    false_alarms="A runtime whose locks were set to last more than a day.",
    example="A locked_until was written in microseconds; a row of instance_locks was deleted to free an instance.",
    repair="release-lock",
    questions=frozenset({Evidence.turn}),
)
