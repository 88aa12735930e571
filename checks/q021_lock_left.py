from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity, no_cause
from holystone.scan.relations.restored import HELD_LOCKS

CHECK = Check(
    id="Q021",
    name="lock-left",
    title="Locks of the store that was copied keep the copy waiting",
    severity=Severity.warning,
    level=Level.restored,
    flavours=BOTH,
    relation=HELD_LOCKS,
    violated=lambda store: store.is_there,
    expects=lambda facts: facts.name_and_state,
    cause=no_cause,
    message="{observed[locks]}: {observed[state]}",
    asserts=(
        "No lock of an instance, an activity or a session has still to end. In a store that is at work some always "
        "have, so this is asked at level restored alone: of a copy that was just restored."
    ),
    harm=(
        "Whoever holds the locks works on the store that was copied, or not any more. The engine of the copy takes "
        "what they are on when they end: after some seconds or minutes. And that they have not ended yet says that an "
        "engine was at work when the copy was made, moments ago: see that it does not go on beside the copy."
    ),
    how_to_look={
        "sqlite": (
            "SELECT instance_id, locked_until FROM instance_locks WHERE locked_until > unixepoch() * 1000 UNION ALL "
            "SELECT instance_id, locked_until FROM worker_queue WHERE locked_until > unixepoch() * 1000;"
        ),
        "postgresql": (
            "SELECT instance_id, to_timestamp(locked_until / 1000.0) FROM instance_locks WHERE locked_until > "
            "extract(epoch FROM now()) * 1000 UNION ALL SELECT instance_id, to_timestamp(locked_until / 1000.0) FROM "
            "worker_queue WHERE locked_until > extract(epoch FROM now()) * 1000;"
        ),
    },
    false_alarms="Where an engine is at work, all of it. With --instance the check is skipped.",
    example="A standby was promoted while the engine still wrote to the old primary.",
    repair=NoRepair("they end by themselves; one that lasts for more than a day is found by Q011, which releases it"),
    questions=frozenset(),
)
