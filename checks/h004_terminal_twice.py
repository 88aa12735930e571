from holystone.scan.check import BOTH, Check, Level, NoRepair, Proof, Severity, any_row, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.events import EVENTS

CHECK = Check(
    id="H004",
    name="terminal-twice",
    title="An execution ends more than once",
    severity=Severity.error,
    level=Level.deep,
    flavours=BOTH,
    relation=EVENTS,
    violated=any_row,
    expects=lambda facts: [facts.ended_again],
    cause=no_cause,
    message="it ends the execution, and {observed[ended_again]} ends it again",
    asserts=(
        "An execution ends once. There are two exceptions, in which the engine itself adds an OrchestrationFailed to "
        "the end: at once where the turn that ended it broke a limit, such as that on the size of the custom status; "
        "and later where a message to an execution that had ended was fetched too often (its details say Poison)."
    ),
    harm=(
        "The engine's status API believes the last end, and a parent or a caller who waited believed the first: they "
        "hold different results of one execution."
    ),
    how_to_look={
        "sqlite": (
            "SELECT h.instance_id, h.execution_id, h.event_id, h.event_type FROM history h JOIN history t "
            "ON t.instance_id = h.instance_id AND t.execution_id = h.execution_id AND t.event_id < h.event_id "
            "WHERE h.event_type IN ('OrchestrationCompleted', 'OrchestrationFailed', 'OrchestrationContinuedAsNew') "
            "AND t.event_type IN ('OrchestrationCompleted', 'OrchestrationFailed', 'OrchestrationContinuedAsNew');"
        ),
        "postgresql": (
            "SELECT h.instance_id, h.execution_id, h.event_id, h.event_data FROM history h JOIN history t "
            "ON t.instance_id = h.instance_id AND t.execution_id = h.execution_id AND t.event_id < h.event_id "
            'WHERE h.event_data ~ \'"type":"Orchestration(Completed|Failed|ContinuedAsNew)"\' '
            'AND t.event_data ~ \'"type":"Orchestration(Completed|Failed|ContinuedAsNew)"\';'
        ),
    },
    false_alarms=(
        "None is known; the SQL above shows the two exceptions, too. Failures of kinds that are not known here pass "
        "for such an exception."
    ),
    example="Somebody inserted an OrchestrationFailed to get rid of an instance which then had just completed.",
    repair=NoRepair("an event is never thrown away, and only people can say which of the ends others have acted on"),
    questions=frozenset({Evidence.history, Evidence.turn}),
    proved_by=Proof.full_history,
)
