from holystone.scan.check import Check, Level, Severity
from holystone.scan.relations.extension import POSTGRESQL
from holystone.scan.relations.extension_roots import EXTENSION_ROOTS, ExtensionRootFacts


def _severity(facts: ExtensionRootFacts) -> Severity:
    return Severity.critical if facts.runs else Severity.error


CHECK = Check(
    id="D005",
    name="df-rows-lost",
    title="The engine has an instance whose rows in pg_durable are gone",
    severity=Severity.critical,
    level=Level.standard,
    flavours=POSTGRESQL,
    relation=EXTENSION_ROOTS,
    violated=lambda root: root.has_no_row,
    expects=lambda facts: facts.row_where(facts.is_lost),
    cause=lambda facts: "running" if facts.runs else "ended",
    message="it has run, so it had a row in df.instances, and has none any more",
    asserts=(
        "Each instance that the engine runs for pg_durable, and that has read its graph out of df.nodes, has a row in "
        "df.instances. Retention takes the engine's rows first."
    ),
    harm=(
        "A live one runs on, does its work, and no user can list, signal or cancel it. Of an ended one nobody can see "
        "the result, and no retention ever deletes it, unless it has failed."
    ),
    how_to_look={
        "postgresql": (
            "SELECT r.instance_id FROM instances r WHERE r.parent_instance_id IS NULL AND r.instance_id !~ '::|^pgdf-' "
            "AND r.orchestration_name = 'pg_durable::orchestration::execute-function-graph' "
            "AND NOT EXISTS (SELECT 1 FROM df.instances i WHERE i.id = r.instance_id) "
            "AND EXISTS (SELECT 1 FROM history h WHERE h.instance_id = r.instance_id "
            'AND (h.execution_id > 1 OR h.event_data LIKE \'%"type":"ActivityCompleted"%root_node_id%\'));'
        )
    },
    false_alarms=(
        "None is known. Instances that another database of the server has started, whose ids begin with pgdf-, have "
        "their rows there, and are left out."
    ),
    example=(
        "pg_dump and restore: df's tables belong to the extension, which marks none of them for the dump. So they come "
        "back empty, and the engine's whole."
    ),
    repair="rebuild-df-rows",
    questions=frozenset(),
    severity_of=_severity,
)
