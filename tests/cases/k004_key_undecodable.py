from collections.abc import Mapping
from typing import Any

from cases.case import Case, Found
from cases.keys import changed, key_set, stored
from cases.payloads import subscribed
from holystone.demo.scribe import Scribe, completed, continued, started
from holystone.duroxide.tables import executions, history, kv_store

Values = Mapping[str, Any]

ODD: Mapping[str, tuple[Values, Values, Values]] = {
    "value-in-bytes": ({"value": b"1"}, {"value": "blob"}, {"value": "text"}),
    "key-in-bytes": ({"key": b"a"}, {"key": "blob"}, {"key": "text"}),
    "time-in-words": (
        {"last_updated_at_ms": "now"},
        {"last_updated_at_ms": "text"},
        {"last_updated_at_ms": "integer"},
    ),
    "time-in-part": ({"last_updated_at_ms": 1.5}, {"last_updated_at_ms": "real"}, {"last_updated_at_ms": "integer"}),
    "time-in-bytes": (
        {"last_updated_at_ms": b"1"},
        {"last_updated_at_ms": "blob"},
        {"last_updated_at_ms": "integer"},
    ),
}
"""Instance -> what its row of kv_store holds otherwise, and the storage classes that are found and expected."""


def healthy(scribe: Scribe) -> None:
    """A value may be empty, and need not be JSON; of a key that was cleared there is none."""
    scribe.execution("ended", started(), key_set("a", ""), key_set("b", "1"), key_set("c", "no JSON"), completed())
    for key, value in (("a", ""), ("b", "1"), ("c", "no JSON")):
        stored(scribe, "ended", key, value)
    scribe.execution("loop", started(), key_set("a", "1"), continued())
    scribe.execution("loop", started(), ("KeyValueCleared", {"key": "a"}), subscribed(), execution_id=2)
    stored(scribe, "loop", "a", "1")
    changed(scribe, "loop", "a", None)


def broken(scribe: Scribe) -> None:
    """The execution that wrote the key is pruned, so no event tells what it was."""
    for name, (values, _, _) in ODD.items():
        scribe.execution(name, started(), key_set("a", "1"), continued("2"))
        scribe.execution(name, started(), completed(), execution_id=2)
        for table in (executions, history):
            scribe.remove(table, {"instance_id": name, "execution_id": 1})
        stored(scribe, name, "a", "1")
        scribe.change(kv_store, {"instance_id": name}, **values)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(instance_id=name, execution_id=None, observed=observed, expected=expected, repair="none")
        for name, (_, observed, expected) in ODD.items()
    ],
    repaired=[],
)
