from holystone.scan.check import BOTH, Check, Level, NoRepair, Proof, Severity, any_row, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.events import EVENTS

CHECK = Check(
    id="H003",
    name="terminal-not-last",
    title="Events follow the end of an execution",
    severity=Severity.error,
    level=Level.deep,
    flavours=BOTH,
    relation=EVENTS,
    violated=any_row,
    expects=lambda facts: [facts.strays],
    cause=no_cause,
    message="it ends the execution, and yet there follow {observed[strays]}",
    asserts=(
        "After OrchestrationCompleted, OrchestrationFailed or OrchestrationContinuedAsNew nothing happens in an "
        "execution: the engine takes no more turns of it, and drops the messages that still come. Only what the "
        "ending turn gives up may be noted after the end: ActivityCancelRequested and the like."
    ),
    harm=(
        "Something wrote to an execution that had ended. What these events tell of has had no effect, and whoever "
        "judges the execution by its last event takes it for one that runs."
    ),
    how_to_look={
        "sqlite": (
            "SELECT h.instance_id, h.execution_id, h.event_id, h.event_type FROM history h JOIN history t "
            "ON t.instance_id = h.instance_id AND t.execution_id = h.execution_id AND t.event_id < h.event_id "
            "WHERE t.event_type IN ('OrchestrationCompleted', 'OrchestrationFailed', 'OrchestrationContinuedAsNew') "
            "AND h.event_type NOT LIKE '%Cancel%' AND h.event_type <> 'OrchestrationFailed';"
        ),
        "postgresql": (
            "SELECT h.instance_id, h.execution_id, h.event_id, h.event_data FROM history h JOIN history t "
            "ON t.instance_id = h.instance_id AND t.execution_id = h.execution_id AND t.event_id < h.event_id "
            'WHERE t.event_data ~ \'"type":"Orchestration(Completed|Failed|ContinuedAsNew)"\' '
            'AND h.event_data !~ \'"type":"(OrchestrationFailed|[A-Za-z]*Cancel[A-Za-z]*)"\';'
        ),
    },
    false_alarms=(
        "None is known. Events of types that are not known here are passed over: a newer engine may give things up in "
        "ways of its own."
    ),
    example="A script appended an event to bring a finished instance back to life.",
    repair=NoRepair("an event is never thrown away, and nothing says whether the end or what follows it is wrong"),
    questions=frozenset({Evidence.history, Evidence.turn}),
    proved_by=Proof.full_history,
)
