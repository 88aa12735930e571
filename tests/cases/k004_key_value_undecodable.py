from cases.case import Case, Found
from cases.keys import key_set, stored
from holystone.demo.scribe import Scribe, completed, continued, started
from holystone.store.tables import executions, history, kv_store


def healthy(scribe: Scribe) -> None:
    """A value may be empty, and need not be JSON."""
    scribe.execution("ended", started(), key_set("a", ""), key_set("b", "1"), key_set("c", "no JSON"), completed())
    for key, value in (("a", ""), ("b", "1"), ("c", "no JSON")):
        stored(scribe, "ended", key, value)


def broken(scribe: Scribe) -> None:
    """The execution that wrote the key is pruned, so no event tells what it was."""
    scribe.execution("pruned", started(), key_set("a", "1"), continued("2"))
    scribe.execution("pruned", started(), completed(), execution_id=2)
    for table in (executions, history):
        scribe.remove(table, {"instance_id": "pruned", "execution_id": 1})
    stored(scribe, "pruned", "a", "1")
    scribe.change(kv_store, {"instance_id": "pruned", "key": "a"}, value=b"1")


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id="pruned",
            execution_id=None,
            observed={"value": "no text"},
            expected={"value": "text"},
            repair="none",
        )
    ],
    repaired=[],
)
