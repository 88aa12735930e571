from sqlalchemy import not_

from holystone.scan.check import BOTH, Check, Level, Proof, Severity, no_cause
from holystone.scan.relations.custom_statuses import CUSTOM_STATUSES

_DIAGNOSIS = (
    "SELECT i.instance_id, i.custom_status, h.event_id, h.event_data FROM instances i JOIN history h "
    "ON h.instance_id = i.instance_id AND h.execution_id = i.current_execution_id AND h.event_id = "
    "(SELECT max(u.event_id) FROM history u WHERE u.instance_id = i.instance_id "
    "AND u.execution_id = i.current_execution_id "
    'AND (u.event_id = 1 OR u.event_data LIKE \'%"type":"CustomStatusUpdated"%\')) '
    "WHERE coalesce({status}, '(none)') <> coalesce(i.custom_status, '(none)');"
)

CHECK = Check(
    id="I008",
    name="custom-status-mismatch",
    title="The custom status is not the last one that was set",
    severity=Severity.error,
    level=Level.deep,
    flavours=BOTH,
    relation=CUSTOM_STATUSES,
    violated=lambda instance: not_(instance.surely_agrees),
    expects=lambda facts: [facts.custom_status],
    cause=no_cause,
    message="the row shows {observed[custom_status]!r}, the events say {expected[custom_status]!r}",
    asserts=(
        "instances.custom_status is what the last CustomStatusUpdated of the current execution set it to; without one, "
        "what the execution was begun with, for continue-as-new carries it over. The ack writes event and row "
        "together. The version beside it is judged by I012."
    ),
    harm="Clients that wait for a custom status, or show it, see one that the orchestration has left or never had.",
    how_to_look={
        "sqlite": _DIAGNOSIS.format(
            status="CASE WHEN json_valid(h.event_data) THEN json_extract(h.event_data, "
            "CASE h.event_id WHEN 1 THEN '$.initial_custom_status' ELSE '$.status' END) END"
        ),
        "postgresql": _DIAGNOSIS.format(status=r"""substring(h.event_data from 'status":"(([^"\\]|\\.)*)"')"""),
    },
    false_alarms=(
        "None is known. An execution that the engine failed before it began shows the status of the one before it. "
        "Where the events that would tell are pruned or cannot be read, the instance is passed over; so is one whose "
        "status the engine 0.1.19 may have set last, which wrote no event for it."
    ),
    example="A row of instances came back from an older backup than its history.",
    repair="restore-custom-status",
    questions=frozenset(),
    proved_by=Proof.full_history,
)
