from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.child_starts import CHILD_STARTS

CHECK = Check(
    id="I013",
    name="child-start-mismatch",
    title="A child was begun with something else than its parent's event says",
    severity=Severity.error,
    level=Level.deep,
    flavours=BOTH,
    relation=CHILD_STARTS,
    violated=lambda child: child.may_differ,
    expects=lambda facts: facts.wrong,
    cause=no_cause,
    message="its first event says {observed}, and the event of its parent {expected}",
    asserts=(
        "The first event of a child holds the name and the input of the event SubOrchestrationScheduled that it names "
        "as the one which asked for it, and that event the child's instance id: the message that begins a child is "
        "made of the event, and the child's first event of the message."
    ),
    harm=(
        "One of the two events was altered. A parent whose event was fails as nondeterministic at its next turn, whose "
        "replay does not fit any more. A child is replayed with what it was not begun with: it fails in the same way, "
        "and its parent with it, or takes another way. Where the id was altered, a parent that gives its child up "
        "cancels another instance."
    ),
    how_to_look={
        "sqlite": (
            "SELECT i.instance_id, c.event_data, p.instance_id, p.event_data FROM instances i JOIN history c "
            "ON c.instance_id = i.instance_id AND c.execution_id = 1 AND c.event_id = 1 AND json_valid(c.event_data) "
            "JOIN history p ON json_valid(p.event_data) "
            "AND p.instance_id = json_extract(c.event_data, '$.parent_instance') "
            "AND p.execution_id = coalesce(json_extract(c.event_data, '$.parent_execution_id'), 1) "
            "AND p.event_id = json_extract(c.event_data, '$.parent_id') "
            'AND p.event_data LIKE \'%"type":"SubOrchestrationScheduled"%\' '
            "WHERE json_extract(p.event_data, '$.name') <> json_extract(c.event_data, '$.name') "
            "OR json_extract(p.event_data, '$.input') <> json_extract(c.event_data, '$.input') "
            "OR i.instance_id NOT IN (json_extract(p.event_data, '$.instance'), "
            "p.instance_id || '::' || json_extract(p.event_data, '$.instance'));"
        ),
        "postgresql": (
            "SELECT i.instance_id, c.event_data, p.instance_id, p.event_data FROM instances i JOIN history c "
            "ON c.instance_id = i.instance_id AND c.execution_id = 1 AND c.event_id = 1 "
            "JOIN history p ON p.instance_id = c.event_data::jsonb->>'parent_instance' "
            "AND p.execution_id = coalesce((c.event_data::jsonb->>'parent_execution_id')::bigint, 1) "
            "AND p.event_id = (c.event_data::jsonb->>'parent_id')::bigint "
            'AND p.event_data LIKE \'%"type":"SubOrchestrationScheduled"%\' '
            "WHERE p.event_data::jsonb->>'name' <> c.event_data::jsonb->>'name' "
            "OR p.event_data::jsonb->>'input' <> c.event_data::jsonb->>'input' "
            "OR i.instance_id NOT IN (p.event_data::jsonb->>'instance', "
            "p.instance_id || '::' || (p.event_data::jsonb->>'instance'));"
        ),
    },
    false_alarms=(
        "None is known, but the engine makes one kind itself: where a parent is deleted before its child has begun, "
        "and started again under its id, the child does what the former one asked, and answers the new one. Only that "
        "event is compared which the child's own first event names, by instance, execution and number: not that of "
        "another execution or another parent that used the child's id again, nor any with what a client began. "
        "Nothing is said where the execution that asked or the child's first one is pruned; of a start by an engine "
        "before 0.1.30, which did not say which execution had asked, where the parent has had several; nor where both "
        "executions have ended, for the engine replays neither. The query passes over none of the last two."
    ),
    example="An input with a mistake in it was put right by hand in the event of a parent that waits for its child.",
    repair=NoRepair(
        "nothing tells which of the two events was altered, nor what it said before: the parent's code tells what it "
        "asks for, so put back by hand the one that it would not have written, or let the engine cancel both"
    ),
    questions=frozenset({Evidence.history, Evidence.turn}),
)
