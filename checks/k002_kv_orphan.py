from holystone.scan.check import BOTH, Check, Level, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.kv_rows import CHANGED_KEYS, STORED_KEYS, KeyFacts


def _cause(facts: KeyFacts) -> str:
    return "left-behind" if facts.alone else "instance-lost"


CHECK = Check(
    id="K002",
    name="kv-orphan",
    title="A key is of an instance that does not exist",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=(STORED_KEYS, CHANGED_KEYS),
    violated=lambda row: row.instance_absent,
    expects=lambda facts: [facts.instance],
    cause=_cause,
    message="there is no row in instances for it",
    asserts=(
        "Each row of kv_store and kv_delta is of an instance: the ack that writes a key has made the instance, and the "
        "engine's delete removes both."
    ),
    harm="An instance that is started under the same id begins with the keys of another.",
    how_to_look=(
        "SELECT k.instance_id, k.key, k.value, 'kv_store' AS place FROM kv_store k "
        "LEFT JOIN instances i ON i.instance_id = k.instance_id WHERE i.instance_id IS NULL UNION ALL "
        "SELECT k.instance_id, k.key, k.value, 'kv_delta' AS place FROM kv_delta k "
        "LEFT JOIN instances i ON i.instance_id = k.instance_id WHERE i.instance_id IS NULL;"
    ),
    false_alarms="None is known.",
    example="Instances were deleted by hand, and the tables of keys were forgotten.",
    repair="remove-kv",
    questions=frozenset({Evidence.keys}),
)
