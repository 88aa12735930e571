from sqlalchemy import not_

from holystone.scan.check import BOTH, Check, Level, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.messages import MESSAGES

CHECK = Check(
    id="Q007",
    name="message-misaddressed",
    title="A message lies in the queue under another instance than its own",
    severity=Severity.critical,
    level=Level.quick,
    flavours=BOTH,
    relation=MESSAGES,
    violated=lambda message: not_(message.addressed),
    expects=lambda facts: facts.copies,
    cause=no_cause,
    message="it is for {expected[instance_id]!r}",
    asserts=(
        "instance_id in orchestrator_queue is the instance that work_item names; of what a child tells, its "
        "parent. The engine writes them together, and goes by the column."
    ),
    harm=(
        "Another instance gets the message, and takes an answer for one of its own or fails as nondeterministic; its "
        "own waits for ever. Where there is no such instance, the message halts the store on SQLite, as Q001 has it."
    ),
    how_to_look={
        "sqlite": (
            "SELECT q.instance_id, q.id, q.work_item FROM orchestrator_queue q JOIN json_each(q.work_item) k "
            "WHERE json_valid(q.work_item) AND q.instance_id IS NOT CASE WHEN k.key LIKE 'SubOrch%' "
            "THEN json_extract(k.value, '$.parent_instance') ELSE json_extract(k.value, '$.instance') END;"
        ),
        "postgresql": (
            "SELECT q.instance_id, q.id, q.work_item FROM (SELECT *, replace(work_item, '\": ', '\":') AS item "
            "FROM orchestrator_queue) q WHERE strpos(q.item, CASE WHEN q.item LIKE '{\"SubOrch%' "
            "THEN '\"parent_instance\":' ELSE '\"instance\":' END || to_json(q.instance_id)::text) = 0;"
        ),
    },
    false_alarms="None is known. A kind of message that this version does not know is passed over.",
    example="An instance was given another id in all its columns by hand, and its messages still named the old one.",
    repair="restore-identity",
    questions=frozenset({Evidence.queue}),
)
