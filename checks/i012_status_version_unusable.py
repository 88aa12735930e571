from sqlalchemy import not_, or_

from holystone.scan.check import BOTH, Check, Level, Proof, Severity, no_cause
from holystone.scan.relations.status_versions import STATUS_VERSIONS

CHECK = Check(
    id="I012",
    name="status-version-unusable",
    title="Clients cannot go by the version of the custom status",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=STATUS_VERSIONS,
    violated=lambda instance: or_(not_(instance.counts), instance.hides_status),
    expects=lambda facts: [facts.custom_status_version],
    cause=no_cause,
    message="custom_status_version is {observed[custom_status_version]!r}",
    asserts=(
        "instances.custom_status_version is a whole number to which one can be added in the column, 0 or more, and 1 "
        "or more beside a custom status. It begins at 0; each turn that sets or clears the status adds one, however "
        "often it does so; continue-as-new, and all else, leaves it."
    ),
    harm=(
        "A client is told of a status only where its version is greater than the one that it saw last, 0 at first: "
        "beside 0 or less the status is there and nobody sees it, and those that wait for the next ones miss them. "
        "On PostgreSQL no turn that sets the status can be written any more once the column is full. What is no whole "
        "number, on SQLite, is version 0 to clients, which then see each look as a change."
    ),
    how_to_look={
        "sqlite": (
            "SELECT instance_id, custom_status, custom_status_version, typeof(custom_status_version) FROM instances "
            "WHERE typeof(custom_status_version) <> 'integer' "
            "OR custom_status_version NOT BETWEEN 0 AND 9223372036854775806 "
            "OR (custom_status IS NOT NULL AND custom_status_version < 1);"
        ),
        "postgresql": (
            "SELECT instance_id, custom_status, custom_status_version FROM instances "
            "WHERE custom_status_version NOT BETWEEN 0 AND 2147483646 "
            "OR (custom_status IS NOT NULL AND custom_status_version < 1);"
        ),
    },
    false_alarms=(
        "None is known. A status beside version 0 that no event has set, where all events are there, is passed over, "
        "though not by the query: the status is wrong then, and not its version (I008)."
    ),
    example="A script copied rows of instances, and left this column at its default.",
    repair="restore-status-version",
    questions=frozenset(),
    proved_by=Proof.boundary_events,
)
