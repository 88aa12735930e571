from holystone.mend.repair import Repair, Safety, Step, always, set_expected
from holystone.scan.evidence import Evidence
from holystone.scan.relations.extension_node_states import ExtensionNodeStateFacts


def _steps(facts: ExtensionNodeStateFacts) -> list[Step]:
    return list(set_expected(facts.status, facts.result, facts.status_details, facts.updated_at))


REPAIR = Repair[ExtensionNodeStateFacts](
    id="restore-df-node",
    title="Give the row in df.nodes what the last write in the history says",
    safety=Safety.safe,
    steps=_steps,
    applies=always,
    does=(
        "Sets status, result, status_details and updated_at of one row in df.nodes to those of the last write that the "
        "history of the instance or of a child reports as made; without any, to those of a node that has not begun."
    ),
    loses="The old values, which the journal keeps. No row of the engine is touched.",
    needs=(
        "UPDATE on df.nodes and BYPASSRLS, or the rights of the owner; that nobody holds the row, and that the engine "
        "is not in the middle of a turn of the instance."
    ),
    undone="Puts the old values back where the row is still as the repair left it.",
    rests_on=frozenset({Evidence.history, Evidence.chain, Evidence.store}),
)
