"""One instance, turns taken by the engine and by holystone: each goes on where the other left off."""

from __future__ import annotations

import json

from conftest import Flavour, MakeStore
from engine.test_untouched import findings
from holystone.store import Store, WorkItem
from turns.kit import Kit


def test_engine_finishes_what_holystone_began(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    made = engine_store(engine_version, flavour, ())
    made.run("start", "shared", "Work", "21")
    kit = Kit(Store.open(made.target, made.schema))
    item = kit.fetch()
    given = item.messages[0].fields["input"]
    activity = WorkItem.new(
        "ActivityExecute", instance="shared", execution_id=1, id=2, name="Double", input=json.dumps(21)
    )
    kit.store.ack_orchestration_item(
        item.lock_token,
        1,
        history_delta=[
            kit.started("shared", name="Work", input=given),
            kit.event("shared", 2, "ActivityScheduled", name="Double", input=json.dumps(21)),
        ],
        worker_items=[activity],
    )
    assert findings(made) == []
    made.run("run", "--seconds", "1.5")
    status = made.admin("status", "shared")
    assert (status["status"], status["output"]) == ("Completed", {"doubled": 42})
    assert kit.store.get_status("shared").status == "Completed"
    assert findings(made) == []


def test_holystone_finishes_what_the_engine_began(
    engine_store: MakeStore, engine_version: str, flavour: Flavour
) -> None:
    made = engine_store(engine_version, flavour, ["waiting"])
    waiting = next(name for name, expected in made.expected.items() if expected["live"])
    made.run("raise-event", waiting, "go", json.dumps({"n": 1}))
    kit = Kit(Store.open(made.target, made.schema))
    item = kit.fetch()
    assert item.instance_id == waiting
    last = item.history[-1].event_id
    (message,) = item.messages
    kit.store.ack_orchestration_item(
        item.lock_token,
        item.execution_id,
        history_delta=[
            kit.event(waiting, last + 1, "ExternalEvent", name="go", data=message.fields["data"]),
            kit.event(waiting, last + 2, "OrchestrationCompleted", output=message.fields["data"]),
        ],
    )
    status = made.admin("status", waiting)
    assert (status["status"], status["output"]) == ("Completed", {"n": 1})
    assert waiting in made.admin("list-by-status", "Completed")
    assert findings(made) == []
