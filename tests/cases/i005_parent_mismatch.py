from cases.case import Case, Found, Row
from cases.payloads import asked_child, begun, child_answered, child_of, subscribed
from holystone.demo.scribe import Payload, Scribe, completed, continued
from holystone.duroxide.tables import executions, history, instances


def family(scribe: Scribe, parent: str, *child: Payload) -> None:
    """A parent that has ended, after its child."""
    scribe.execution(f"{parent}::sub::2", *(child or (child_of(parent), completed())))
    scribe.execution(parent, begun(), asked_child(), child_answered(), completed())


def without_trace(scribe: Scribe, instance_id: str) -> None:
    """What a delete leaves of an instance."""
    for table in (history, executions, instances):
        scribe.remove(table, {"instance_id": instance_id})


def healthy(scribe: Scribe) -> None:
    family(scribe, "family")
    family(scribe, 'awkward " \\ \n🧽')
    # A child that continues as new names its parent in each start event.
    family(scribe, "chain", child_of("chain"), continued())
    scribe.execution("chain::sub::2", child_of("chain"), completed(), execution_id=2)
    # Engines before 0.1.30 named it in the first one only, which may be pruned.
    for name in ("old-chain", "old-pruned"):
        family(scribe, name, child_of(name, parent_execution_id=None), continued())
        scribe.execution(f"{name}::sub::2", begun(), completed(), execution_id=2)
    for table in (history, executions):
        scribe.remove(table, {"instance_id": "old-pruned::sub::2", "execution_id": 1})
    # A child whose parent was deleted, made a root by hand so that it can be deleted too.
    family(scribe, "deleted")
    without_trace(scribe, "deleted")
    scribe.change(instances, {"instance_id": "deleted::sub::2"}, parent_instance_id=None)


def broken(scribe: Scribe) -> None:
    family(scribe, "unlinked")
    scribe.change(instances, {"instance_id": "unlinked::sub::2"}, parent_instance_id=None)
    family(scribe, "robbed")
    family(scribe, "stranger")
    scribe.change(instances, {"instance_id": "robbed::sub::2"}, parent_instance_id="stranger")
    scribe.execution("adopted", begun(), subscribed())
    scribe.change(instances, {"instance_id": "adopted"}, parent_instance_id="stranger")
    family(scribe, "old-chain", child_of("old-chain", parent_execution_id=None), continued())
    scribe.execution("old-chain::sub::2", begun(), completed(), execution_id=2)
    scribe.change(instances, {"instance_id": "old-chain::sub::2"}, parent_instance_id=None)
    family(scribe, "gone", child_of("gone"), subscribed())
    without_trace(scribe, "gone")
    family(scribe, "left")
    without_trace(scribe, "left")


def found(name: str, observed: str | None, expected: str | None, cause: str, repair: str = "safe") -> Found:
    return Found(
        repair=repair,
        instance_id=name,
        execution_id=None,
        observed={"parent_instance_id": observed},
        expected={"parent_instance_id": expected},
        cause=cause,
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("unlinked::sub::2", None, "unlinked", "not-linked"),
        found("robbed::sub::2", "stranger", "robbed", "linked-wrongly"),
        found("adopted", "stranger", None, "linked-wrongly"),
        found("old-chain::sub::2", None, "old-chain", "not-linked"),
        found("gone::sub::2", "gone", None, "parent-deleted", "unsafe"),
        found("left::sub::2", "left", None, "parent-deleted"),
    ],
    repaired=[
        Row(table="instances", key={"instance_id": name}, columns={"parent_instance_id": parent})
        for name, parent in (
            ("unlinked::sub::2", "unlinked"),
            ("robbed::sub::2", "robbed"),
            ("adopted", None),
            ("old-chain::sub::2", "old-chain"),
            ("gone::sub::2", None),
            ("left::sub::2", None),
        )
    ],
    also=frozenset({"I010"}),  # of a live child that is made a root
)
