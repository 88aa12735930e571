from cases.case import Case, Found
from cases.i005_parent_mismatch import family, without_trace
from cases.payloads import begun, child_of, subscribed
from holystone.demo.scribe import Scribe, continued
from holystone.duroxide.tables import executions, history, instances


def made_a_root(scribe: Scribe, child: str) -> None:
    scribe.change(instances, {"instance_id": child}, parent_instance_id=None)


def healthy(scribe: Scribe) -> None:
    """A child that has ended answers to nobody any more."""
    family(scribe, "family")
    family(scribe, "ended")
    without_trace(scribe, "ended")
    made_a_root(scribe, "ended::sub::2")
    # Of a chain of an old engine whose first execution is pruned no event names the parent.
    family(scribe, "old", child_of("old", parent_execution_id=None), continued())
    scribe.execution("old::sub::2", begun(), subscribed(), execution_id=2)
    for table in (history, executions):
        scribe.remove(table, {"instance_id": "old::sub::2", "execution_id": 1})
    without_trace(scribe, "old")
    made_a_root(scribe, "old::sub::2")


def broken(scribe: Scribe) -> None:
    family(scribe, "gone", child_of("gone"), subscribed())
    family(scribe, "chain", child_of("chain"), continued())
    scribe.execution("chain::sub::2", child_of("chain"), subscribed(), execution_id=2)
    family(scribe, "old-chain", child_of("old-chain", parent_execution_id=None), continued())
    scribe.execution("old-chain::sub::2", begun(), subscribed(), execution_id=2)
    for parent in PARENTS:
        without_trace(scribe, parent)
        made_a_root(scribe, f"{parent}::sub::2")


PARENTS = ("chain", "gone", "old-chain")
CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=f"{parent}::sub::2",
            execution_id=None,
            observed={"answers_to": None},
            expected={"answers_to": parent},
            repair="none",
        )
        for parent in PARENTS
    ],
    repaired=[],
)
