from cases.case import Case, Found, Row
from cases.keys import changed, key_set, stored
from cases.work import raised_to, start_of
from holystone.demo.scribe import Scribe, completed, continued, scheduled, started
from holystone.duroxide.tables import instances


def healthy(scribe: Scribe) -> None:
    scribe.execution("ended", started(), key_set("a", "1"), completed())
    stored(scribe, "ended", "a", "1")
    scribe.execution("loop", started(), key_set("a", "1"), continued())
    scribe.execution("loop", started(), key_set("b", "2"), scheduled(), execution_id=2)
    stored(scribe, "loop", "a", "1")
    changed(scribe, "loop", "b", "2")


def broken(scribe: Scribe) -> None:
    stored(scribe, "deleted", "a", "1")
    changed(scribe, "deleted", "b", None)
    # Its history is still there: whoever brings the row back wants its keys, too.
    scribe.execution("lost", started(), key_set("a", "1"), completed())
    stored(scribe, "lost", "a", "1")
    scribe.remove(instances, {"instance_id": "lost"})
    # It is about to be started under the same id, with the keys of another.
    stored(scribe, "started-again", "a", "1")
    scribe.message("started-again", start_of("started-again"))
    scribe.message("started-again", raised_to("started-again"))


def orphan(instance: str, cause: str, repair: str) -> Found:
    observed, expected = {"instance": "absent"}, {"instance": "present"}
    return Found(
        instance_id=instance, execution_id=None, observed=observed, expected=expected, cause=cause, repair=repair
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        orphan("deleted", "left-behind", "safe"),
        orphan("deleted", "left-behind", "safe"),
        orphan("lost", "instance-lost", "none"),
        orphan("started-again", "instance-lost", "none"),
    ],
    repaired=[
        Row(table="kv_store", key={"instance_id": "deleted"}, columns=None),
        Row(table="kv_delta", key={"instance_id": "deleted"}, columns=None),
        Row(table="kv_store", key={"instance_id": "lost"}, columns={"value": "1"}),
        Row(table="kv_store", key={"instance_id": "started-again"}, columns={"value": "1"}),
    ],
    also=frozenset({"E007"}),
)
