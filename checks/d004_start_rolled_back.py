from holystone.scan.check import Check, Level, NoRepair, Severity
from holystone.scan.relations.extension import POSTGRESQL
from holystone.scan.relations.extension_roots import EXTENSION_ROOTS, ExtensionRootFacts


def _severity(facts: ExtensionRootFacts) -> Severity:
    return Severity.warning if facts.expired else Severity.info


CHECK = Check(
    id="D004",
    name="start-rolled-back",
    title="The engine keeps an instance whose start was rolled back",
    severity=Severity.warning,
    level=Level.standard,
    flavours=POSTGRESQL,
    relation=EXTENSION_ROOTS,
    violated=lambda root: root.has_no_row,
    expects=lambda facts: facts.row_where(facts.is_rolled_back),
    cause=lambda facts: "start-rolled-back",
    message="the engine has failed it for want of a row in df.instances, which it never had",
    asserts=(
        "Each instance that the engine runs for pg_durable has a row in df.instances. df.start commits the engine's "
        "part by itself, so one whose transaction is rolled back leaves an instance that fails without ever having run."
    ),
    harm=(
        "None but the rows that it takes up: pg_durable's reconciliation, since 0.2.4, deletes it once it is older "
        "than the retention. As a warning: it should have been deleted by now, so nothing reclaims such instances here."
    ),
    how_to_look={
        "postgresql": (
            "SELECT r.instance_id FROM instances r WHERE r.parent_instance_id IS NULL AND r.instance_id !~ '::|^pgdf-' "
            "AND r.orchestration_name = 'pg_durable::orchestration::execute-function-graph' "
            "AND NOT EXISTS (SELECT 1 FROM df.instances i WHERE i.id = r.instance_id) "
            "AND EXISTS (SELECT 1 FROM history h WHERE h.instance_id = r.instance_id "
            'AND h.event_data LIKE \'%"type":"OrchestrationFailed"%\') '
            "AND NOT EXISTS (SELECT 1 FROM history h WHERE h.instance_id = r.instance_id "
            'AND h.event_data LIKE \'%"type":"ActivityCompleted"%root_node_id%\');'
        )
    },
    false_alarms=(
        "An info by itself is no reason to act. A transaction that has called df.start and is open for longer than the "
        "race window may still commit the row; then D001 tells of it."
    ),
    example="BEGIN; SELECT df.start(…); ROLLBACK;",
    repair=NoRepair(
        "pg_durable deletes it by itself once it is older than the retention; where it does not, see that its worker "
        "runs and pg_durable.reconcile_interval is not 0"
    ),
    questions=frozenset(),
    severity_of=_severity,
)
