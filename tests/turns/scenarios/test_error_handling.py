"""What is wrong is refused with a typed error, or answered with nothing."""

from __future__ import annotations

import pytest

from conftest import EngineStore
from contents import contents
from holystone.errors import InvalidTurnError, LockLostError, UnreadableMessageError
from turns.conftest import Clock
from turns.kit import LOCK_MS, Kit


def test_invalid_lock_token_on_ack(kit: Kit, made: EngineStore) -> None:
    """An ack with a token that never was is refused, and the error names the token."""
    before = contents(made)
    with pytest.raises(LockLostError, match="'never-was'"):
        kit.store.ack_orchestration_item("never-was", 1, history_delta=[kit.started("a")])
    assert contents(made) == before


def test_duplicate_event_id_rejection(kit: Kit) -> None:
    """An event with an id that the history has already is refused, even of another type; the first one stays."""
    kit.begin("a")
    (first,) = kit.store.read_history("a")
    kit.poke("a")
    again = kit.event("a", 1, "ActivityScheduled", name="Charge", input="{}")
    with pytest.raises(InvalidTurnError, match="id 1 already"):
        kit.store.ack_orchestration_item(kit.fetch().lock_token, 1, history_delta=[again])
    assert kit.store.read_history("a") == [first]


def test_missing_instance_metadata(kit: Kit) -> None:
    """Of an instance that is not there, the history is empty and the status is NotFound."""
    assert kit.store.read_history("nobody") == []
    assert kit.store.read_history("nobody", 1) == []
    assert kit.store.get_status("nobody").status == "NotFound"


def test_corrupted_serialization_data(kit: Kit, made: EngineStore) -> None:
    """A message or an activity that cannot be read stops no other one; when nothing else is left, it is named."""
    kit.employ("a")
    kit.poke("a")
    made.execute("UPDATE orchestrator_queue SET work_item = 'no JSON'")
    made.execute("UPDATE worker_queue SET work_item = 'no JSON'")
    kit.employ("b")
    assert kit.work().item == kit.activity("b")
    before = contents(made)
    for fetch, queue in ((kit.fetch, "orchestrator_queue"), (kit.work, "worker_queue")):
        ((row_id,),) = made.execute(f"SELECT id FROM {queue} WHERE work_item = 'no JSON'")
        with pytest.raises(UnreadableMessageError, match=f"{row_id} of {queue}.*'a'"):
            fetch()
    assert contents(made) == before
    for queue in ("orchestrator_queue", "worker_queue"):
        made.execute(f"DELETE FROM {queue} WHERE work_item = 'no JSON'")


def test_lock_expiration_during_ack(kit: Kit, clock: Clock) -> None:
    """An ack that comes after its lock has expired is refused, even where nobody else took the turn."""
    kit.start("a")
    item = kit.fetch()
    clock.pass_ms(LOCK_MS)
    with pytest.raises(LockLostError):
        kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.started("a")])
    assert kit.store.read_history("a") == []
    assert kit.fetch().attempt_count == 2
