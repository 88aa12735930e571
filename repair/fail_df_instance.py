from holystone.mend.repair import Repair, Safety, set_expected
from holystone.pg_durable.copy import Drift
from holystone.scan.evidence import Evidence
from holystone.scan.relations.extension_instances import ExtensionInstanceFacts


def _is_live(facts: ExtensionInstanceFacts) -> bool:
    return facts.drift is Drift.lost


REPAIR = Repair[ExtensionInstanceFacts](
    id="fail-df-instance",
    title="Say that an instance has failed of which the engine has nothing",
    safety=Safety.safe,
    steps=lambda facts: set_expected(facts.status, facts.completed_at),
    applies=_is_live,
    does=(
        "Sets status to failed in one row of df.instances that is pending or running; of ended ones nothing is changed."
    ),
    loses=(
        "The old status, which the journal keeps. Retention takes the row later, as it takes every one that has "
        "failed. Where the engine's rows can come from a backup, restore those first."
    ),
    needs="UPDATE on df.instances and BYPASSRLS, or the rights of the owner; that nobody holds the row.",
    undone="Puts the old status back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.history, Evidence.store}),
)
