from holystone.duroxide.work_item import FOR_WORKERS, WORK_ITEM_SHAPES
from holystone.scan.check import BOTH, Check, Level, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.messages import MESSAGES
from holystone.scan.relations.worker_items import WORKER_ITEMS

# Every message names an instance, and its ids are numbers; what is no JSON each database says in its own way.
_AMISS = """(q.work_item NOT LIKE '%instance":%' OR q.work_item LIKE '%execution_id":"%' OR UNREADABLE)"""
_KINDS = " OR ".join(f"q.work_item LIKE '{{\"{kind}\":%'" for kind in WORK_ITEM_SHAPES if kind not in FOR_WORKERS)
_DIAGNOSIS = (
    "SELECT q.instance_id, q.id, 'orchestrator_queue' AS queue, q.work_item FROM orchestrator_queue q "
    "WHERE AMISS OR NOT (KINDS) UNION ALL "
    "SELECT q.instance_id, q.id, 'worker_queue' AS queue, q.work_item FROM worker_queue q "
    "WHERE AMISS OR q.work_item NOT LIKE '{\"ActivityExecute\":%';"
)
_DIAGNOSIS = _DIAGNOSIS.replace("AMISS", _AMISS).replace("KINDS", _KINDS)

CHECK = Check(
    id="Q002",
    name="work-item-unreadable",
    title="A message is none that the engine can read",
    severity=Severity.critical,
    level=Level.quick,
    flavours=BOTH,
    relation=(MESSAGES, WORKER_ITEMS),
    violated=lambda message: message.may_be_unreadable,
    expects=lambda facts: [facts.work_item],
    cause=no_cause,
    message="the engine cannot take it: {observed[work_item]}",
    asserts=(
        "work_item is one JSON object with one field, the kind of the message, which holds an object with all fields "
        "of that kind: ActivityExecute in worker_queue, any other kind in orchestrator_queue. It is read as strictly "
        "as the engine reads it, in orchestrator_queue of PostgreSQL through JSONB, and a kind that no known "
        "engine has is none, unless a newer one has used the store."
    ),
    harm=(
        "In worker_queue on SQLite, and in orchestrator_queue on PostgreSQL where no JSONB can hold it (it is no "
        "JSON, or it holds a NUL), each fetch fails at it: no worker, or no orchestration, gets anything any more. A "
        "message of another kind in worker_queue ends a worker each time that it is fetched. Elsewhere it stops its "
        "own instance, or is thrown away in silence with whatever it had to say. Of a kind that the engine does not "
        "know: on SQLite the workers stop, or the message is thrown away; on PostgreSQL its instance stops."
    ),
    how_to_look={
        "sqlite": _DIAGNOSIS.replace("UNREADABLE", "NOT json_valid(q.work_item)"),
        "postgresql": _DIAGNOSIS.replace("UNREADABLE", "q.work_item !~ '^\\{.*\\}\\s*\\}$'"),
    },
    false_alarms=(
        "A first message of an engine that is newer than those known here, before that has begun an execution: from "
        "then on kinds that are unknown here are passed over. A kind of failure that engines before 0.1.10 wrote is "
        "reported once a newer engine has upgraded the store. The query does not know which fields each kind has: what "
        "the check says of a message tells."
    ),
    example=(
        "A work_item was edited by hand and cut off; a row was copied into the wrong queue; an instance was cancelled "
        "on PostgreSQL for a reason that holds a NUL."
    ),
    repair="park-message",
    questions=frozenset({Evidence.queue, Evidence.turn}),
)
