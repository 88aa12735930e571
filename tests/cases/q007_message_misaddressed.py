from cases.case import Case, Found, Row
from cases.payloads import asked_child, child_of, subscribed
from cases.work import raised_to, reprinted, spaced, start_of
from holystone.demo.scribe import Scribe, completed, scheduled, started
from holystone.duroxide.tables import orchestrator_queue

AWKWARD = 'quote" back\\slash \u0001 é 😀 "instance":"no",'


def healthy(scribe: Scribe) -> None:
    scribe.execution(AWKWARD, started(), subscribed())
    scribe.message(AWKWARD, raised_to(AWKWARD))
    row = scribe.message(AWKWARD, raised_to(AWKWARD))
    scribe.change(orchestrator_queue, {"id": row}, work_item=reprinted(raised_to(AWKWARD)))
    # What a child tells is for its parent, and its start for itself.
    scribe.execution("parent", started(), asked_child(), asked_child("sub::3"))
    scribe.execution("parent::sub::2", child_of("parent"), completed())
    scribe.message("parent", {"SubOrchCompleted": answer("parent")})
    start = start_of("parent::sub::3")
    start["StartOrchestration"] |= {"parent_instance": "parent", "parent_id": 3}
    scribe.message("parent::sub::3", start)


def answer(parent: str) -> dict[str, object]:
    return {"parent_instance": parent, "parent_execution_id": 1, "parent_id": 2, "result": "1"}


def broken(scribe: Scribe) -> None:
    for name in ("wrong", "other"):
        scribe.execution(name, started(), subscribed(), scheduled())
    scribe.execution("parent", started(), subscribed(), scheduled(), asked_child())
    spaced(scribe, scribe.message("wrong", raised_to("other")))
    scribe.message("other", {"SubOrchFailed": {"parent_instance": "parent", **failure()}})
    # For nobody: it halts the store.
    scribe.message("nobody", raised_to("other"))
    # The parent would start once more what is its child.
    start = start_of("child")
    start["StartOrchestration"] |= {"parent_instance": "parent", "parent_id": 9}
    scribe.message("parent", start)


def failure() -> dict[str, object]:
    """What a child of another instance tells of its end, which names the child as well."""
    poison = {
        "attempt_count": 11,
        "max_attempts": 10,
        "message_type": {"Orchestration": {"instance": "other", "execution_id": 1}},
        "message": "[]",
    }
    return {"parent_execution_id": 1, "parent_id": 4, "details": {"Poison": poison}}


ADDRESSES = {"wrong": "other", "other": "parent", "nobody": "other", "parent": "child"}

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=column,
            execution_id=None,
            observed={"instance_id": column},
            expected={"instance_id": named},
            repair="unsafe" if column in ("wrong", "parent") else "safe",
        )
        for column, named in ADDRESSES.items()
    ],
    repaired=[
        Row(table="orchestrator_queue", key={"instance_id": "nobody"}, columns=None),
        Row(table="orchestrator_queue", key={"instance_id": "wrong"}, columns=None),
        Row(table="orchestrator_queue", key={"instance_id": "child"}, columns={"attempt_count": 0}),
    ],
    also=frozenset({"I009"}),  # an answer that lies under another instance never comes
)
