from holystone.scan.check import BOTH, Check, Level, NoRepair, Proof, Severity, any_row
from holystone.scan.evidence import Evidence
from holystone.scan.relations.events import EVENTS

CHECK = Check(
    id="H005",
    name="event-unreadable",
    title="The engine cannot read an event",
    severity=Severity.critical,
    level=Level.deep,
    flavours=BOTH,
    relation=EVENTS,
    violated=any_row,
    expects=lambda facts: [] if facts.given_up else [facts.fault],
    cause=lambda facts: facts.harms,
    message="it cannot be read: {observed[fault]}",
    asserts=(
        "event_data is one JSON object with the fields of every event, a type, and the fields of that type, each as "
        "the engine reads it: no field twice, no number beyond 64 bits, no half of a surrogate pair. The engine reads "
        "the whole history of an execution before each turn, and refuses it for a single event. No other check relies "
        "on such an event: what it ends is not ended for the engine."
    ),
    harm=(
        "On PostgreSQL, where the engine casts histories to JSONB, an event that is no JSON (or that escapes a NUL or "
        "half of a surrogate pair) in the current execution halts the dispatcher of the whole store as soon as a "
        "message comes for that instance (halts-dispatch). Otherwise the engine fails the instance after ten attempts "
        "at its next message (fails-instance). An execution that is not current is only unreadable to whoever asks "
        "for its history or status. An upgrade of the engine leaves such events, too: 0.1.10 and later cannot read the "
        "failure of code that was not registered, 0.1.14 and later no SystemCall, which new_guid and utcnow wrote "
        "(upgrade-fails-instance for an execution that runs, upgrade-hides-status for one that has ended). End or "
        "drain those that run with the older version, and delete those that have ended once nobody asks for them."
    ),
    how_to_look={
        "sqlite": (
            "SELECT instance_id, execution_id, event_id, event_data FROM history "
            "WHERE CASE WHEN json_valid(event_data) THEN json_type(event_data, '$.type') IS NOT 'text' "
            'OR event_data NOT LIKE \'{"event_id":%,"source_event_id":%,"instance_id":%,'
            '"execution_id":%,"timestamp_ms":%\' ELSE 1 END;'
        ),
        "postgresql": (
            "SELECT instance_id, execution_id, event_id, event_data FROM history "
            'WHERE event_data NOT LIKE \'{"event_id":%,"source_event_id":%,"instance_id":%,'
            '"execution_id":%,"timestamp_ms":%,"type":"%}\';'
        ),
    },
    false_alarms=(
        "None is known. Events of a type that is not known here are reported by H009, and executions that the engine "
        "has failed because of such an event by H011."
    ),
    example="A bad block cut a row short; a script edited an input inside event_data and left a quotation mark out.",
    repair=NoRepair("what an event said can only come from a backup, and the engine must never see half of one"),
    questions=frozenset({Evidence.history, Evidence.turn}),
    proved_by=Proof.full_history,
)
