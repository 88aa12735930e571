from holystone.scan.check import BOTH, Check, Level, NoRepair, Proof, Severity, any_row, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.events import EVENTS

CHECK = Check(
    id="H011",
    name="history-given-up",
    title="The engine has failed an execution for an event that it cannot read",
    severity=Severity.warning,
    level=Level.deep,
    flavours=BOTH,
    relation=EVENTS,
    violated=any_row,
    expects=lambda facts: [facts.fault] if facts.given_up else [],
    cause=no_cause,
    message="the execution was failed for it: {observed[fault]}",
    asserts=(
        "A history that ends in the event 99999, by which the engine fails what it cannot read, holds events only that "
        "some engine can read: of a type that is not known here, which H009 reports."
    ),
    harm=(
        "The execution is over, with a failure of kind Poison, and its status and its history can no longer be "
        "asked for. A message that still comes for the instance is fetched again and again and never goes away."
    ),
    how_to_look=(
        "SELECT h.instance_id, h.execution_id, h.event_id, h.event_data FROM history h JOIN history g "
        "ON g.instance_id = h.instance_id AND g.execution_id = h.execution_id AND g.event_id = 99999 "
        'WHERE h.event_data NOT LIKE \'{"event_id":%,"type":"%}\';'
    ),
    false_alarms="None is known: the engine writes no such event, so something else did.",
    example="An event was damaged as in H005, and a message came before anybody saw it.",
    repair=NoRepair("what the event said can only come from a backup; delete_instance removes what is left"),
    questions=frozenset({Evidence.turn}),
    proved_by=Proof.full_history,
)
