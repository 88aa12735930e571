from holystone.scan.check import Check, Level, NoRepair, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.messages import MESSAGES

CHECK = Check(
    id="Q019",
    name="work-item-retold",
    title="A message says another thing than its text does",
    severity=Severity.warning,
    level=Level.quick,
    flavours=frozenset({"postgresql"}),
    relation=MESSAGES,
    violated=lambda message: message.may_be_unreadable,
    expects=lambda facts: [facts.text],
    cause=no_cause,
    message="the engine reads what JSONB makes of it; as it stands, {observed[text]}",
    asserts=(
        "A message of orchestrator_queue that the engine can read is so as text, too: no field stands twice, and "
        "numbers are whole. A dispatcher gets it as JSONB prints it, which keeps the last of two fields of a name."
    ),
    harm=(
        "Somebody has altered the message, for no engine and no client writes such a text. Which of two values was "
        "meant cannot be told, and the engine goes by the last."
    ),
    how_to_look=(
        "SELECT q.instance_id, q.id, q.work_item FROM orchestrator_queue q "
        "WHERE length(replace(q.work_item, ' ', '')) <> length(replace(q.work_item::jsonb::text, ' ', ''));"
    ),
    false_alarms=("None is known. The query ends with an error at a message that is no JSON: Q002 finds those."),
    example="A message was edited by hand, and a field was added that it had already.",
    repair=NoRepair("only who sent the message can say what it was to say"),
    questions=frozenset({Evidence.queue}),
)
