from holystone.scan.check import BOTH, Check, Level, Proof, Severity, any_row, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.kv_replay import KV_REPLAY

# The last word of the history on each key, beside what is held of it; kv_delta goes before kv_store.
_DIAGNOSIS = (
    "WITH said AS (SELECT instance_id, execution_id, {key} AS key, {value} AS value, {at} AS at, row_number() OVER "
    "(PARTITION BY instance_id, {key} ORDER BY execution_id DESC, event_id DESC) AS place FROM history "
    'WHERE event_data LIKE \'%"type":"KeyValueSet"%\' OR event_data LIKE \'%"type":"KeyValueCleared"%\'), '
    "held AS (SELECT instance_id, key, value, last_updated_at_ms AS at, 1 AS changed FROM kv_delta UNION ALL "
    "SELECT s.instance_id, s.key, s.value, s.last_updated_at_ms, 0 FROM kv_store s WHERE NOT EXISTS (SELECT 1 FROM "
    "kv_delta d WHERE d.instance_id = s.instance_id AND d.key = s.key)) "
    "SELECT s.instance_id, s.key, s.value AS said, h.value AS held, s.at AS said_at, h.at AS held_at FROM said s "
    "JOIN instances i ON i.instance_id = s.instance_id JOIN executions e ON e.instance_id = i.instance_id "
    "AND e.execution_id = i.current_execution_id "
    "LEFT JOIN held h ON h.instance_id = s.instance_id AND h.key = s.key WHERE s.place = 1 "
    "AND (coalesce(s.value, 'NULL') <> coalesce(h.value, 'NULL') OR (s.value IS NOT NULL AND s.at <> h.at) "
    "OR (e.status = 'Running' AND s.execution_id = e.execution_id AND coalesce(h.changed, 0) = 0)) UNION ALL "
    "SELECT h.instance_id, h.key, NULL, h.value, NULL, h.at FROM held h WHERE NOT EXISTS (SELECT 1 FROM said s "
    "WHERE s.instance_id = h.instance_id AND s.key = h.key);"
)

CHECK = Check(
    id="K003",
    name="kv-store-mismatch",
    title="The keys of an instance are not what its executions wrote",
    severity=Severity.error,
    level=Level.deep,
    flavours=BOTH,
    relation=KV_REPLAY,
    violated=any_row,
    expects=lambda facts: [facts.kv_store, facts.kv_delta],
    cause=no_cause,
    message="its keys are not what its history says",
    asserts=(
        "kv_store holds what the ended executions of an instance wrote and did not clear, kv_delta what the running "
        "one wrote and cleared, and both the time that KeyValueSet names: what comes of all KeyValueSet, "
        "KeyValueCleared and KeyValuesCleared events of all executions, in their order."
    ),
    harm=(
        "The engine replays an execution on what kv_store holds: with another value the orchestration decides "
        "otherwise than it did and fails as nondeterministic, or goes on with a wrong one. Clients read it, too."
    ),
    how_to_look={
        "sqlite": _DIAGNOSIS.format(
            key="json_extract(event_data, '$.key')",
            value="json_extract(event_data, '$.value')",
            at="json_extract(event_data, '$.last_updated_at_ms')",
        ),
        "postgresql": _DIAGNOSIS.format(
            key="(event_data::jsonb ->> 'key')",
            value="(event_data::jsonb ->> 'value')",
            at="(event_data::jsonb ->> 'last_updated_at_ms')::bigint",
        ),
    },
    false_alarms=(
        "None is known. What was pruned may have written anything: of an instance whose first executions are gone only "
        "those keys are judged that the others wrote. None is judged whose running execution wrote keys with an engine "
        "before 0.1.26, which had no kv_delta, and none of which K001 has keys to merge. On SQLite the scan finds "
        "events by the column event_type: where that is wrong (H007) a missing key may be overlooked, and none is "
        "reported wrongly. The query knows neither prunes nor KeyValuesCleared and shows more."
    ),
    example="A value was changed in kv_store by hand, to correct it; kv_store was restored from an older backup.",
    repair="restore-kv",
    questions=frozenset({Evidence.keys}),
    proved_by=Proof.full_history,
)
