from holystone.duroxide.references import REFERS_TO
from holystone.scan.check import BOTH, Check, Level, NoRepair, Proof, Severity, any_row
from holystone.scan.evidence import Evidence
from holystone.scan.relations.event_facts import EventFacts
from holystone.scan.relations.events import EVENTS

_ASKED = " ".join(f"WHEN '{kind}' THEN '{asked}'" for kind, asked in REFERS_TO.items())
_ANSWERING = ", ".join(f"'{kind}'" for kind in REFERS_TO)


def _cause(facts: EventFacts) -> str:
    if facts.source_event_id.observed is None:
        return "no-source"
    return "source-missing" if facts.source_type.observed is None else "wrong-kind"


CHECK = Check(
    id="H010",
    name="completion-dangling",
    title="A completion refers to no event that it completes",
    severity=Severity.error,
    level=Level.deep,
    flavours=BOTH,
    relation=EVENTS,
    violated=any_row,
    expects=lambda facts: [facts.source_event_id, facts.source_type],
    cause=_cause,
    message="it refers to event {observed[source_event_id]}, which should be an earlier {expected[source_type]}",
    asserts=(
        "What completes, fails, fires or gives up something says in source_event_id which event asked for it: an "
        "earlier one of the same execution and of the kind that goes with it. The engine writes no completion of "
        "what it did not ask for."
    ),
    harm=(
        "At the next turn the engine fails the execution as nondeterministic; without any source it passes the "
        "completion over, and what it answers stays unanswered for ever."
    ),
    how_to_look={
        "sqlite": (
            "SELECT h.instance_id, h.execution_id, h.event_id, h.event_data "  # noqa: S608 (constants)
            "FROM history h LEFT JOIN history s "
            "ON s.instance_id = h.instance_id AND s.execution_id = h.execution_id AND s.event_id < h.event_id "
            "AND s.event_id = CASE WHEN json_valid(h.event_data) "
            "THEN json_extract(h.event_data, '$.source_event_id') END "
            f"AND s.event_type = CASE h.event_type {_ASKED} END "
            f"WHERE s.instance_id IS NULL AND h.event_type IN ({_ANSWERING});"
        ),
        "postgresql": (
            "SELECT h.instance_id, h.execution_id, h.event_id, h.event_data FROM history h WHERE h.event_data ~ "
            '\'"type":"((Activity|SubOrchestration)(Completed|Failed|CancelRequested)|TimerFired'
            "|ExternalSubscribed(Persistent)?Cancelled)\"' AND NOT EXISTS (SELECT 1 FROM history s "
            "WHERE s.instance_id = h.instance_id AND s.execution_id = h.execution_id AND s.event_id < h.event_id "
            "AND s.event_id::text = substring(h.event_data, '\"source_event_id\":(\\d+)') AND s.event_data ~ "
            '\'"type":"(ActivityScheduled|TimerCreated|SubOrchestrationScheduled|ExternalSubscribed(Persistent)?)"\');'
        ),
    },
    false_alarms="None is known. Where the event that it refers to cannot be read, nothing is said.",
    example="Rows of history were renumbered by hand to close a gap; a completion was copied from another execution.",
    repair=NoRepair("what was asked for, and whether it was done, can only come from a backup"),
    questions=frozenset({Evidence.history, Evidence.turn}),
    proved_by=Proof.full_history,
)
