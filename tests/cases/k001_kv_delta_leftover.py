from cases.case import Case, Found, Row, execution
from cases.keys import AT_MS, changed, key_cleared, key_set, keys_cleared, stored
from holystone.demo.scribe import Scribe, completed, continued, failed, scheduled, started
from holystone.duroxide.tables import executions, history


def healthy(scribe: Scribe) -> None:
    scribe.execution("live", started(), key_set("a", "1"), key_cleared("b"), scheduled())
    changed(scribe, "live", "a", "1")
    changed(scribe, "live", "b", None)
    scribe.execution("ended", started(), key_set("a", "1"), completed())
    stored(scribe, "ended", "a", "1")


def broken(scribe: Scribe) -> None:
    # A chain that has not gone on yet: its next execution would begin without what this one wrote.
    scribe.execution("loop", started(), key_set("a", "old", AT_MS - 1), key_set("gone", "old"), continued())
    scribe.execution(
        "loop", started(), key_set("a", "new"), key_set("b", "1"), key_cleared("gone"), continued(), execution_id=2
    )
    stored(scribe, "loop", "a", "old", AT_MS - 1)
    stored(scribe, "loop", "gone", "old")
    changed(scribe, "loop", "a", "new")
    changed(scribe, "loop", "b", "1")
    changed(scribe, "loop", "gone", None)
    scribe.execution("merged-already", started(), key_set("a", "1"), failed())
    stored(scribe, "merged-already", "a", "1")
    changed(scribe, "merged-already", "a", "1")
    scribe.execution("all-cleared", started(), key_set("x", "old"), continued())
    scribe.execution("all-cleared", started(), keys_cleared(), key_set("a", "1"), completed(), execution_id=2)
    stored(scribe, "all-cleared", "x", "old")
    changed(scribe, "all-cleared", "x", None)
    changed(scribe, "all-cleared", "a", "1")
    # What is left of its history knows nothing of it, so it may be older than what is in kv_store.
    scribe.execution("pruned", started(), continued())
    scribe.execution("pruned", started(), key_set("a", "1"), completed(), execution_id=2)
    for table in (executions, history):
        scribe.remove(table, execution("pruned"))
    stored(scribe, "pruned", "a", "1")
    changed(scribe, "pruned", "b", "2")


def left_over(instance: str, cause: str = "not-merged", repair: str = "safe") -> Found:
    observed, expected = {"change": "left over"}, {"change": "merged"}
    return Found(
        instance_id=instance, execution_id=None, observed=observed, expected=expected, cause=cause, repair=repair
    )


def key(instance: str, name: str) -> dict[str, str]:
    return {"instance_id": instance, "key": name}


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        *(left_over(name) for name in ("all-cleared", "all-cleared", "loop", "loop", "loop", "merged-already")),
        left_over("pruned", "not-written-by-it", "none"),
    ],
    repaired=[
        Row(table="kv_store", key=key("loop", "a"), columns={"value": "new", "last_updated_at_ms": AT_MS}),
        Row(table="kv_store", key=key("loop", "b"), columns={"value": "1", "last_updated_at_ms": AT_MS}),
        Row(table="kv_store", key=key("loop", "gone"), columns=None),
        Row(table="kv_store", key=key("merged-already", "a"), columns={"value": "1"}),
        Row(table="kv_store", key=key("all-cleared", "x"), columns=None),
        Row(table="kv_store", key=key("all-cleared", "a"), columns={"value": "1"}),
        *(
            Row(table="kv_delta", key={"instance_id": name}, columns=None)
            for name in ("loop", "merged-already", "all-cleared")
        ),
        Row(table="kv_delta", key=key("pruned", "b"), columns={"value": "2"}),
    ],
)
