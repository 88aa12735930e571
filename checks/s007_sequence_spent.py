from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.objects import SEQUENCES

CHECK = Check(
    id="S007",
    name="sequence-spent",
    title="The next messages of a queue get no number, or one that is taken",
    severity=Severity.critical,
    level=Level.quick,
    flavours=BOTH,
    relation=SEQUENCES,
    violated=lambda store: store.is_there,
    expects=lambda facts: facts.name_and_state,
    cause=no_cause,
    message="{observed[sequence]}: {observed[state]}",
    asserts=(
        "The numbers that orchestrator_queue and worker_queue give to their messages go on above all that are there: "
        "on PostgreSQL the sequence's next value is above max(id), a million or more below its bound, and it "
        "neither counts down nor begins again; on SQLite the number remembered in sqlite_sequence and max(id) are a "
        "million or more below the last possible one."
    ),
    harm=(
        "Each message that the engine wants to put in the queue fails with a duplicate key, or for want of a number, "
        "and the turn with it: nothing that puts work into the queue goes on."
    ),
    how_to_look={
        "sqlite": "SELECT name, seq FROM sqlite_sequence;",
        "postgresql": (
            "SELECT 'orchestrator_queue' AS queue, s.last_value, s.is_called, (SELECT max(id) FROM orchestrator_queue) "
            "FROM orchestrator_queue_id_seq s UNION ALL SELECT 'worker_queue', s.last_value, s.is_called, "
            "(SELECT max(id) FROM worker_queue) FROM worker_queue_id_seq s;"
        ),
    },
    false_alarms=(
        "None known. A role needs SELECT on the sequences to be told; GRANT SELECT ON ALL SEQUENCES gives it. With "
        "--instance the check is skipped."
    ),
    example="A restore of the rows alone: pg_dump writes setval() at its end, and the part with it was left out.",
    repair=NoRepair(
        "a sequence is no row: SELECT setval('orchestrator_queue_id_seq', (SELECT max(id) FROM orchestrator_queue)) "
        "sets it right, and the same for worker_queue; on SQLite UPDATE sqlite_sequence, once the messages that "
        "have the last numbers are done"
    ),
    questions=frozenset({Evidence.store}),
)
