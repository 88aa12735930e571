from holystone.scan.check import Check, Level, NoRepair, Severity, no_cause
from holystone.scan.relations.extension import POSTGRESQL
from holystone.scan.relations.extension_instances import EXTENSION_INSTANCES

CHECK = Check(
    id="D010",
    name="role-gone",
    title="An instance runs as a role that is none",
    severity=Severity.warning,
    level=Level.standard,
    flavours=POSTGRESQL,
    relation=EXTENSION_INSTANCES,
    violated=lambda instance: instance.role_is_gone,
    expects=lambda facts: [facts.role],
    cause=no_cause,
    message="no role is its owner any more",
    asserts="The role in submitted_by of an instance that is pending or running is a role of the server.",
    harm=(
        "The worker cannot log in as the role, so the next SQL of the instance fails, and the instance with it. No "
        "policy of row security lets anybody see the row but who bypasses them: nobody else can list or cancel it."
    ),
    how_to_look={
        "postgresql": (
            "SELECT i.id, i.status, i.submitted_by FROM df.instances i WHERE i.status IN ('pending', 'running') "
            "AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.oid = i.submitted_by::oid);"
        )
    },
    false_alarms="None is known.",
    example="DROP ROLE: PostgreSQL does not count a value of type regrole among the objects of a role.",
    repair=NoRepair(
        "only people can say whose the instance is now, or that it is to be cancelled: a superuser can do either"
    ),
    questions=frozenset(),
)
