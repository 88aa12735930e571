"""Parents and children as the engine leaves them, and what its own API can do with them."""

from __future__ import annotations

import pytest

from conftest import ENGINES, SQLITE_AND_LONG_POSTGRESQL, EngineStore, Flavour, MakeStore
from engine.engines import DriverError
from engine.test_untouched import findings
from holystone.cli.main import run

CHILD = "deleted-early::sub::2"


def of_instances(store: EngineStore) -> list[tuple[str, str, int | None]]:
    return [finding for finding in findings(store) if finding[0].startswith("I")]


@pytest.mark.long
def test_child_of_a_deleted_parent_can_be_deleted_after_the_repair(
    engine_store: MakeStore, engine_version: str
) -> None:
    """On SQLite a foreign key keeps such a child from being made at all."""
    store = engine_store(engine_version, "postgresql", ["deleted-before-its-child"])
    assert of_instances(store) == [("I005", CHILD, None)]
    with pytest.raises(DriverError, match="Cannot delete sub-orchestration"):
        store.admin("delete-instance", CHILD, "--force")
    with pytest.raises(DriverError, match="not found"):
        store.admin("delete-instance", "deleted-early", "--force")
    # What the child has told the parent lies in the queue for nobody, so only who says so repairs anything here.
    assert run(["repair", "apply", *store.arguments, "--yes", "--select", "I005", "--unsafe", "I005"]) == 0
    assert of_instances(store) == []
    store.admin("delete-instance", CHILD, "--force")
    assert store.execute("SELECT instance_id FROM instances") == []


@pytest.mark.long
def test_child_of_a_deleted_parent_is_never_made_on_sqlite(engine_store: MakeStore, engine_version: str) -> None:
    store = engine_store(engine_version, "sqlite", ["deleted-before-its-child"])
    assert store.execute("SELECT instance_id FROM instances") == []
    assert of_instances(store) == []


@pytest.mark.long
def test_executions_that_never_began_are_clean(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    """Name, parent and custom status stay those of the execution before."""
    store = engine_store(engine_version, flavour, ["chains-given-up"])
    assert of_instances(store) == []
    ((status,),) = store.execute("SELECT custom_status FROM instances WHERE instance_id = 'chain-poisoned'")
    assert status == "on the way out"


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_wrong_parent_takes_a_live_instance_away(engine_store: MakeStore, flavour: Flavour) -> None:
    """What I005 is for: the engine deletes by the column, with all that it thinks belongs to a root that has ended."""
    for repaired in (False, True):
        store = engine_store(ENGINES[-1], flavour, ["waiting"])
        store.execute("UPDATE instances SET parent_instance_id = 'waiting-answered' WHERE instance_id = 'waiting'")
        assert findings(store) == [("I005", "waiting", None)]
        if repaired:
            assert run(["repair", "apply", *store.arguments, "--yes"]) == 0
        store.admin("delete-bulk")
        left = {str(name) for (name,) in store.execute("SELECT instance_id FROM instances")}
        assert left == {"waiting-after-work", *(["waiting"] if repaired else [])}
