from holystone.scan.check import Check, Level, NoRepair, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.kv_rows import CHANGED_KEYS, STORED_KEYS

_ODD = "typeof(key) <> 'text' OR typeof(value) NOT IN ('text', 'null') OR typeof(last_updated_at_ms) <> 'integer'"
_CLASSES = "typeof(key), typeof(value), typeof(last_updated_at_ms)"
_DIAGNOSIS = (
    "SELECT instance_id, key, CLASSES, 'kv_store' AS place FROM kv_store WHERE ODD UNION ALL "
    "SELECT instance_id, key, CLASSES, 'kv_delta' AS place FROM kv_delta WHERE ODD;"
)

CHECK = Check(
    id="K004",
    name="key-undecodable",
    title="The engine cannot decode the row of a key",
    severity=Severity.error,
    level=Level.quick,
    flavours=frozenset({"sqlite"}),
    relation=(STORED_KEYS, CHANGED_KEYS),
    violated=lambda row: row.undecodable,
    expects=lambda facts: facts.wrong,
    cause=no_cause,
    message="its columns hold {observed}, where the engine decodes {expected}",
    asserts=(
        "In kv_store and kv_delta key and value are text and last_updated_at_ms is an integer; the value of a key that "
        "was cleared is NULL in kv_delta. A column of SQLite keeps bytes, and a text that is no number, as they are; "
        "PostgreSQL's own types cannot go wrong in this way."
    ),
    harm=(
        "Whoever reads the key gets an error, or does not find it; and each turn of an instance that runs needs all of "
        "its keys in kv_store, so that the fetch of the turn fails, and on SQLite all that is due after it waits."
    ),
    how_to_look=_DIAGNOSIS.replace("ODD", _ODD).replace("CLASSES", _CLASSES),
    false_alarms="None is known: the engine writes text and integers alone.",
    example="An import wrote the values of keys as bytes.",
    repair=NoRepair(
        "K003 restores what the history tells; of an execution that was pruned nothing else has it: UPDATE kv_store "
        "SET value = CAST(value AS TEXT) where the bytes are the text, and the same for key"
    ),
    questions=frozenset({Evidence.keys, Evidence.turn}),
)
