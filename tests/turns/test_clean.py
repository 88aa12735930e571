"""The quick answer that a store is clean is never wrong: what the catalogue would find is found."""

from __future__ import annotations

from typing import Any

import pytest

from turns.conftest import CheckedGround
from turns.kit import Kit

DAMAGE = {
    "UPDATE executions SET status = 'Completed'": "E001",
    "UPDATE executions SET duroxide_version_major = 9, duroxide_version_minor = 0, duroxide_version_patch = 0": "E009",
    "DELETE FROM history WHERE event_id = 1": "H002",
    "UPDATE history SET event_data = 'no JSON' WHERE event_id = 2": "H005",
    "UPDATE instances SET current_execution_id = 7": "I001",
    "DELETE FROM worker_queue": "I009",
    "UPDATE instances SET orchestration_name = 'Other'": "I004",
    "UPDATE instances SET custom_status = 'nobody said so'": "I008",
    "UPDATE instances SET custom_status_version = -1": "I012",
    'UPDATE history SET event_data = replace(event_data, \'"input":"{}"\', \'"input":"1"\')'
    " WHERE instance_id = 'parent' AND event_id = 2": "I013",
    "INSERT INTO kv_delta (instance_id, key, value, last_updated_at_ms) VALUES ('done', 'k', '1', 1)": "K001",
    "INSERT INTO kv_delta (instance_id, key, value, last_updated_at_ms) VALUES ('nobody', 'k', '1', 1)": "K002",
    "UPDATE kv_delta SET value = 'nobody said so'": "K003",
    "UPDATE orchestrator_queue SET instance_id = 'done'": "Q007",
    "UPDATE orchestrator_queue SET work_item = 'no JSON'": "Q002",
    'UPDATE orchestrator_queue SET work_item = \'{"ContinueAsNew":{"instance":"a","orchestration":"Order","input":"{}",'
    '"version":null}}\'': "Q016",
    "UPDATE worker_queue SET activity_id = 99": "Q004",
    "INSERT INTO worker_queue (work_item, visible_at, created_at, instance_id, execution_id, activity_id)"
    " SELECT work_item, visible_at, created_at, instance_id, execution_id, activity_id FROM worker_queue": "Q013",
    'UPDATE worker_queue SET work_item = \'{"ActivityExecute":{"instance":"a","execution_id":1,"id":2,"name":"Other",'
    '"input":"altered"}}\'': "Q015",
    "INSERT INTO sessions (session_id, worker_id, locked_until, last_activity_at) VALUES ('s', 'w', 9e12, 0)": "Q011",
    "INSERT INTO instance_locks (instance_id, lock_token, locked_until, locked_at) VALUES ('x', 't', 1, 0)": "Q005",
}
"""What harms a store -> the check that finds it; at least one for each kind of row that the catalogue looks at."""


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(ground: CheckedGround, kit: Kit, damage: str) -> None:
    kit.finish("done")
    asked = kit.event("parent", 2, "SubOrchestrationScheduled", name="Order", instance="sub::2", input="{}")
    of_parent: dict[str, Any] = {"parent_instance": "parent", "parent_id": 2}
    kit.begin("parent", asked, messages=[kit.starting("parent::sub::2", **of_parent)])
    child = kit.fetch()
    kit.store.ack_orchestration_item(child.lock_token, 1, history_delta=[kit.started("parent::sub::2", **of_parent)])
    kit.employ("a")
    kit.turn("a", ("KeyValueSet", {"key": "k", "value": "1", "last_updated_at_ms": 5}))
    kit.poke("a")
    assert ground.clean.findings() == []
    ground.execute(damage)
    assert DAMAGE[damage] in {check for check, _, _ in ground.clean.findings()}
    ground.clear()


def test_no_kind_of_row_is_left_out(ground: CheckedGround) -> None:
    """Where this fails, add a damage to the rows that the named checks look at."""
    found = set(DAMAGE.values())
    groups = [{check.id for check in patrol.checks} for patrol in ground.clean.patrols]
    assert [sorted(group) for group in groups if not group & found] == []
