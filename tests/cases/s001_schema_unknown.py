from sqlalchemy import Column, Index, MetaData, Table, Text

from cases.case import Case, Found, OnFlavour
from holystone.demo.scribe import Scribe

GAP = {"sqlite": 20240105000000, "postgresql": 10}


def index(name: str, table: str, *columns: str) -> Index:
    """An index of a table of the engine's, to be made or dropped."""
    return Index(name, *Table(table, MetaData(), *(Column(column, Text) for column in columns)).c)


def healthy(scribe: Scribe) -> None:
    """What others add beside the engine's own is no fault."""
    Table("reports", MetaData(), Column("id", Text, primary_key=True)).create(scribe.connection)
    index("by_status", "executions", "status").create(scribe.connection)


def broken(scribe: Scribe) -> None:
    scribe.remove(scribe.flavour.ledger, {"version": GAP[scribe.flavour.name]})
    index("idx_instances_parent", "instances", "parent_instance_id").drop(scribe.connection)
    index("idx_orch_instance", "orchestrator_queue", "instance_id").drop(scribe.connection)
    index("idx_orch_visible", "orchestrator_queue", "visible_at").drop(scribe.connection)
    index("idx_orch_visible", "orchestrator_queue", "visible_at").create(scribe.connection)


DIFFERENCES = (
    "its ledger lacks migration {}; "
    "it lacks the index idx_orch_instance on orchestrator_queue (instance_id); "
    "its index idx_orch_visible is 'on orchestrator_queue (visible_at)', "
    "not 'on orchestrator_queue (visible_at, lock_token)'; and 1 more"
)

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=None,
            execution_id=None,
            observed={
                "schema": OnFlavour(
                    sqlite=DIFFERENCES.format("20240105000000 (add parent instance id)"),
                    postgresql=DIFFERENCES.format("10 (add_deletion_and_pruning_support)"),
                )
            },
            expected={
                "schema": OnFlavour(
                    sqlite="migrated (engine migration 20240112000000)", postgresql="migrated (engine migration 25)"
                )
            },
            cause="altered",
            repair="none",
        )
    ],
    repaired=[],
    alters_schema=True,
)
