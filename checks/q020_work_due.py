from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity, no_cause
from holystone.scan.relations.restored import DUE_WORK

CHECK = Check(
    id="Q020",
    name="work-due",
    title="Work is taken up as soon as an engine opens the copy",
    severity=Severity.warning,
    level=Level.restored,
    flavours=BOTH,
    relation=DUE_WORK,
    violated=lambda store: store.is_there,
    expects=lambda facts: facts.name_and_state,
    cause=no_cause,
    message="{observed[work]}: {observed[state]}",
    asserts=(
        "No message and no activity is due in either queue. In a store that is at work some always are, so this is "
        "asked at level restored alone: of a copy that was just restored."
    ),
    harm=(
        "What the store did after the copy was made, the copy does again: activities that had run run once more, and "
        "all timers that have come meanwhile fire at the same time. Whether that does harm only the owner of the "
        "activities can say: a payment that is taken twice, or nothing where the activities bear to be repeated."
    ),
    how_to_look={
        "sqlite": (
            "SELECT id, instance_id, substr(work_item, 1, 60) FROM orchestrator_queue WHERE visible_at <= unixepoch() "
            "* 1000 UNION ALL SELECT id, instance_id, substr(work_item, 1, 60) FROM worker_queue;"
        ),
        "postgresql": (
            "SELECT id, instance_id, left(work_item, 60) FROM orchestrator_queue WHERE visible_at <= now() UNION ALL "
            "SELECT id, instance_id, left(work_item, 60) FROM worker_queue;"
        ),
    },
    false_alarms="Where an engine is at work, all of it. With --instance the check is skipped.",
    example="Last night's copy of a store was restored, and its workers sent the mails of the morning once more.",
    repair=NoRepair(
        "what the copy is to do again, and what not, is for the owner of the activities: `holystone executions list "
        "--status Running` names the instances; the engine cancels those that shall not go on"
    ),
    questions=frozenset(),
)
