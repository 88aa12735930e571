from holystone.pg_durable.copy import Drift
from holystone.scan.check import Check, Level, Severity
from holystone.scan.relations.extension import POSTGRESQL
from holystone.scan.relations.extension_instances import EXTENSION_INSTANCES

CHECK = Check(
    id="D006",
    name="engine-lost",
    title="pg_durable has an instance of which the engine has nothing",
    severity=Severity.critical,
    level=Level.standard,
    flavours=POSTGRESQL,
    relation=EXTENSION_INSTANCES,
    violated=lambda instance: instance.may_differ,
    expects=lambda facts: [facts.engine],
    cause=lambda facts: facts.cause,
    message="it is in df.instances, and the engine has neither a history of it nor a message that starts it",
    asserts=(
        "The engine has a history of each instance in df.instances, or the message that starts it: df.start commits "
        "that before the caller's transaction can commit the row. Retention takes both, the engine's first."
    ),
    harm=(
        "A live one will never run: whoever waits for it waits in vain, and it stays for ever. Of one that has ended "
        "there is nothing left but the row; no harm comes of it until retention takes that, too."
    ),
    how_to_look={
        "postgresql": (
            "SELECT i.id, i.status, i.submitted_by FROM df.instances i "
            "WHERE NOT EXISTS (SELECT 1 FROM history h WHERE h.instance_id = i.id) "
            "AND NOT EXISTS (SELECT 1 FROM orchestrator_queue q WHERE q.instance_id = i.id "
            "AND q.work_item LIKE '{\"StartOrchestration\"%');"
        )
    },
    false_alarms=(
        "Of ended ones it is an info. Those that retention may be taking just now are left out: by age, and where "
        "there are more than the 10,000 that it keeps. In a satellite no snapshot shows both, so nothing is checked "
        "there."
    ),
    example="The engine's schema was restored from an older dump, or emptied by hand.",
    repair="fail-df-instance",
    questions=frozenset(),
    severity_of=lambda facts: Severity.info if facts.drift is Drift.gone else Severity.critical,
)
