from sqlalchemy import and_, not_

from holystone.scan.check import Check, Level, NoRepair, Severity, derived, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.keyvalues import CHANGED_KEYS, STORED_KEYS

CHECK = Check(
    id="K004",
    name="key-value-undecodable",
    title="The value of a key is no text",
    severity=Severity.error,
    level=Level.quick,
    flavours=frozenset({"sqlite"}),
    relation=(STORED_KEYS, CHANGED_KEYS),
    violated=lambda row: and_(row.value.is_not(None), not_(row.flavour.is_text(row.value))),
    expects=derived("value"),
    cause=no_cause,
    message="the value of the key is {observed[value]}",
    asserts=(
        "The value in a row of kv_store is text, and in a row of kv_delta text or NULL. A column of SQLite keeps bytes "
        "in it as they are; PostgreSQL's own types cannot go wrong in this way."
    ),
    harm="The engine cannot decode the value: whoever reads the key, and each turn of the instance, gets an error.",
    how_to_look=(
        "SELECT instance_id, key, typeof(value), 'kv_store' AS place FROM kv_store WHERE typeof(value) = 'blob' "
        "UNION ALL SELECT instance_id, key, typeof(value), 'kv_delta' FROM kv_delta WHERE typeof(value) = 'blob';"
    ),
    false_alarms="None is known: the engine writes text alone.",
    example="An import wrote the values of keys as bytes.",
    repair=NoRepair(
        "what the text was is in the history alone, and K003 restores it from there; of an execution that was pruned "
        "nothing else has it: UPDATE kv_store SET value = CAST(value AS TEXT) where the bytes are the text"
    ),
    questions=frozenset({Evidence.keys}),
)
