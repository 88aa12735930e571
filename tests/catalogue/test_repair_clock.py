"""The time that decides is the database's: a client whose clock is wrong respects locks all the same."""

from __future__ import annotations

import time

import pytest

from catalogue.conftest import Prepare
from conftest import FLAVOURS
from holystone.demo.scribe import Scribe, scheduled, started
from holystone.mend.locks import busy_instances
from holystone.mend.pace import engine_at_work
from holystone.store.tables import instance_locks

HELD_MS = 30_000
AHEAD_NS = 600_000_000_000


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_lock_is_held_though_the_clients_clock_is_ahead(
    flavour: str, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(scribe: Scribe) -> None:
        scribe.execution("held", started(), scheduled())
        now = int(time.time() * 1000)
        scribe.add(instance_locks, instance_id="held", lock_token="t", locked_until=now + HELD_MS, locked_at=now)

    store = prepare(flavour, held).store
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + AHEAD_NS)
    with store.transaction() as connection:
        assert busy_instances(store, connection, ["held"]) == {"held"}
        assert engine_at_work(store, connection)
        assert abs(store.flavour.now_ms(connection) - real() // 1_000_000) < 5_000
