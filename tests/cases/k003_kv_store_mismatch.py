from typing import Any

from sqlalchemy import func

from cases.case import Case, Found, Row, event_time, execution
from cases.keys import AT_MS, changed, key_cleared, key_set, keys_cleared, stored
from holystone.demo.scribe import ENGINE_VERSION, Scribe, completed, continued, failed, scheduled, started
from holystone.duroxide.tables import executions, history

AWKWARD = 'tab\t quote" back\\slash \u0001 é 😀 {"type":"KeyValueSet"}'


def healthy(scribe: Scribe) -> None:
    scribe.execution("never", started(), scheduled())
    scribe.execution("awkward", started(), key_set(AWKWARD, AWKWARD), key_set("", ""), completed())
    stored(scribe, "awkward", AWKWARD, AWKWARD)
    stored(scribe, "awkward", "", "")
    chain(scribe, "chain")
    stored(scribe, "chain", "kept", "1")
    stored(scribe, "chain", "over", "1")
    stored(scribe, "chain", "cleared", "1")
    changed(scribe, "chain", "over", "2", AT_MS + 5)
    # A key that is cleared is noted whether it was there or not; the engine takes the time of its ack.
    changed(scribe, "chain", "cleared", None, AT_MS + 70_000)
    changed(scribe, "chain", "never there", None, 1)
    scribe.execution("all-cleared", started(), key_set("a", "1"), key_set("b", "1"), continued())
    second = (key_set("c", "1"), keys_cleared(), key_set("b", "2"), scheduled())
    scribe.execution("all-cleared", started(), *second, execution_id=2)
    stored(scribe, "all-cleared", "a", "1")
    stored(scribe, "all-cleared", "b", "1")
    changed(scribe, "all-cleared", "a", None)
    changed(scribe, "all-cleared", "b", "2")
    changed(scribe, "all-cleared", "c", None)
    # What a failed execution wrote is merged like any other's.
    scribe.execution("failed", started(), key_set("a", "1"), key_cleared("b"), failed())
    stored(scribe, "failed", "a", "1")
    undecided(scribe)


def chain(scribe: Scribe, name: str) -> None:
    """An execution that continued as new, and a live one that changes some of its keys."""
    first = (key_set("kept", "1"), key_set("over", "0"), key_set("over", "1"), key_set("cleared", "1"))
    second = (key_set("over", "2", AT_MS + 5), key_cleared("cleared"), key_cleared("never there"), scheduled())
    scribe.execution(name, started(), *first, continued())
    scribe.execution(name, started(), *second, execution_id=2)


def undecided(scribe: Scribe) -> None:
    """Keys of which the history does not say all."""
    pruned_chain(scribe, "pruned")
    changed(scribe, "pruned", "over", "2", AT_MS + 5)
    changed(scribe, "pruned", "cleared", None)
    changed(scribe, "pruned", "never there", None)
    # Engines before 0.1.26 wrote the keys of running executions to kv_store.
    scribe.execution("upgraded", started(), key_set("a", "1"), scheduled())
    stored(scribe, "upgraded", "a", "1")
    older = func.replace(history.c.event_data, f'"{ENGINE_VERSION}"', '"0.1.25"')
    scribe.change(history, {"instance_id": "upgraded"}, event_data=older)


def pruned_chain(scribe: Scribe, name: str) -> None:
    """A chain whose first execution is pruned, with a key that may be of that."""
    chain(scribe, name)
    for table in (executions, history):
        scribe.remove(table, execution(name))
    stored(scribe, name, "from the first", "1")


def broken(scribe: Scribe) -> None:
    scribe.execution("wrong", started(), key_set("a", "1"), key_set("b", "1"), completed())
    stored(scribe, "wrong", "a", "by hand")
    stored(scribe, "wrong", "b", "1", 1)
    chain(scribe, "lost")
    stored(scribe, "lost", "kept", "1")
    stored(scribe, "lost", "cleared", "1")
    changed(scribe, "lost", "over", "2", AT_MS + 5)
    changed(scribe, "lost", "cleared", None)
    chain(scribe, "too-many")
    stored(scribe, "too-many", "over", "1")
    stored(scribe, "too-many", "kept", "1")
    stored(scribe, "too-many", "cleared", "1")
    stored(scribe, "too-many", "nobody's", "1")
    changed(scribe, "too-many", "over", "2", AT_MS + 5)
    changed(scribe, "too-many", "cleared", None)
    changed(scribe, "too-many", "never there", None)
    changed(scribe, "too-many", "nobody's, too", "1")
    # Merged before its time: the engine would replay the execution on what it wrote itself.
    scribe.execution("merged-early", started(), key_set("a", "1"), scheduled())
    stored(scribe, "merged-early", "a", "1")
    # What the executions that are left wrote is known, whatever the others did.
    pruned_chain(scribe, "pruned-lost")
    changed(scribe, "pruned-lost", "cleared", "1")
    changed(scribe, "pruned-lost", "never there", None)
    scribe.execution("pruned-ended", started(), continued())
    scribe.execution("pruned-ended", started(), key_set("a", "1"), key_set("b", "1"), completed(), execution_id=2)
    for table in (executions, history):
        scribe.remove(table, execution("pruned-ended"))
    stored(scribe, "pruned-ended", "a", "by hand")
    stored(scribe, "pruned-ended", "from the first", "1")
    # Left in kv_delta, and not what the execution wrote.
    scribe.execution("foreign", started(), key_set("a", "1"), completed())
    stored(scribe, "foreign", "a", "1")
    changed(scribe, "foreign", "a", "2")
    # An event that only names the type of another one, in a field that the engine passes over, ends nothing.
    scribe.execution("ended-by-name", started(), key_set("a", "1"), scheduled())
    stored(scribe, "ended-by-name", "a", "1")
    named = func.replace(history.c.event_data, '{"event_id":3,', '{"x":{"type":"OrchestrationCompleted"},"event_id":3,')
    scribe.change(history, {"instance_id": "ended-by-name", "event_id": 3}, event_data=named)


def is_there(value: str | None, at_ms: int = AT_MS) -> dict[str, Any]:
    return {"value": value, "last_updated_at_ms": at_ms}


def mismatch(instance: str, observed: dict[str, Any], expected: dict[str, Any]) -> Found:
    return Found(instance_id=instance, execution_id=None, observed=observed, expected=expected)


def key(instance: str, name: str) -> dict[str, str]:
    return {"instance_id": instance, "key": name}


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        mismatch(
            "wrong",
            {"kv_store": {"a": is_there("by hand"), "b": is_there("1", 1)}},
            {"kv_store": {"a": is_there("1"), "b": is_there("1")}},
        ),
        mismatch(
            "lost",
            {"kv_store": {"over": None}, "kv_delta": {"never there": None}},
            # The tombstone takes the time of the event that cleared the key.
            {"kv_store": {"over": is_there("1")}, "kv_delta": {"never there": is_there(None, event_time(3, 4))}},
        ),
        mismatch(
            "too-many",
            {"kv_store": {"nobody's": is_there("1")}, "kv_delta": {"nobody's, too": is_there("1")}},
            {"kv_store": {"nobody's": None}, "kv_delta": {"nobody's, too": None}},
        ),
        mismatch(
            "merged-early",
            {"kv_store": {"a": is_there("1")}, "kv_delta": {"a": None}},
            {"kv_store": {"a": None}, "kv_delta": {"a": is_there("1")}},
        ),
        mismatch(
            "ended-by-name",
            {"kv_store": {"a": is_there("1")}, "kv_delta": {"a": None}},
            {"kv_store": {"a": None}, "kv_delta": {"a": is_there("1")}},
        ),
        mismatch(
            "pruned-lost",
            {"kv_delta": {"cleared": is_there("1"), "over": None}},
            {"kv_delta": {"cleared": is_there(None, event_time(8, 3)), "over": is_there("2", AT_MS + 5)}},
        ),
        mismatch(
            "pruned-ended",
            {"kv_store": {"a": is_there("by hand"), "b": None}},
            {"kv_store": {"a": is_there("1"), "b": is_there("1")}},
        ),
        mismatch("foreign", {"kv_delta": {"a": is_there("2")}}, {"kv_delta": {"a": None}}),
    ],
    repaired=[
        Row(table="kv_store", key=key("wrong", "a"), columns=is_there("1")),
        Row(table="kv_store", key=key("wrong", "b"), columns=is_there("1")),
        Row(table="kv_store", key=key("lost", "over"), columns=is_there("1")),
        Row(table="kv_delta", key=key("lost", "never there"), columns={"value": None}),
        Row(table="kv_store", key=key("too-many", "nobody's"), columns=None),
        Row(table="kv_delta", key=key("too-many", "nobody's, too"), columns=None),
        Row(table="kv_store", key=key("merged-early", "a"), columns=None),
        Row(table="kv_delta", key=key("merged-early", "a"), columns=is_there("1")),
        Row(table="kv_store", key=key("ended-by-name", "a"), columns=None),
        Row(table="kv_delta", key=key("ended-by-name", "a"), columns=is_there("1")),
        Row(table="kv_delta", key=key("pruned-lost", "over"), columns=is_there("2", AT_MS + 5)),
        Row(table="kv_delta", key=key("pruned-lost", "cleared"), columns={"value": None}),
        Row(table="kv_store", key=key("pruned-lost", "from the first"), columns=is_there("1")),
        Row(table="kv_store", key=key("pruned-ended", "a"), columns=is_there("1")),
        Row(table="kv_store", key=key("pruned-ended", "b"), columns=is_there("1")),
        Row(table="kv_store", key=key("pruned-ended", "from the first"), columns=is_there("1")),
        Row(table="kv_delta", key=key("foreign", "a"), columns=None),
    ],
    # K001 sees that it was left over, and cannot merge it.
    also=frozenset({"K001"}),
)
