from holystone.scan.check import BOTH, Check, Level, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.kv_rows import CHANGED_KEYS, KeyFacts


def _cause(facts: KeyFacts) -> str:
    return "not-written-by-it" if facts.merging is None else "not-merged"


CHECK = Check(
    id="K001",
    name="kv-delta-leftover",
    title="A key was not merged when its execution ended",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=CHANGED_KEYS,
    violated=lambda row: row.ended,
    expects=lambda facts: [facts.change],
    cause=_cause,
    message="the execution has ended, and the key is still in kv_delta",
    asserts=(
        "kv_delta holds what the running execution wrote. The ack that ends it, in whatever way, merges that into "
        "kv_store and empties kv_delta of the instance."
    ),
    harm=(
        "The next execution does not see the value, for it begins with what is in kv_store, and replays differently "
        "once it is there; clients see a value that no merge confirmed."
    ),
    how_to_look=(
        "SELECT d.instance_id, d.key, d.value, i.current_execution_id, e.status FROM kv_delta d "
        "JOIN instances i ON i.instance_id = d.instance_id JOIN executions e ON e.instance_id = i.instance_id "
        "AND e.execution_id = i.current_execution_id WHERE e.status <> 'Running';"
    ),
    false_alarms="None is known. Where the status is itself in doubt, E001 says so; mend that first.",
    example="kv_delta came back from a backup that was older than the other tables.",
    repair="merge-kv",
    questions=frozenset({Evidence.keys}),
)
