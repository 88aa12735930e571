"""Whoever has waited for others goes by the time that it is then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from conftest import ENGINES, EngineStore, MakeStore
from holystone.errors import HolystoneError, InvalidTurnError, LockLostError
from holystone.store import Store
from holystone.store.turns import passing
from holystone.store.turns.lease import OrchestrationItem
from holystone.store.turns.passing import Experience
from holystone.store.turns.sessions import SessionFetchConfig
from turns.conftest import Clock, Column
from turns.kit import Kit

WAITED_MS = 5_000
SESSION = SessionFetchConfig("worker", 2_000)


@contextmanager
def waits(kit: Kit, clock: Clock) -> Iterator[None]:
    """Have each transaction begin after a wait."""

    def wait(_: object) -> None:
        clock.pass_ms(WAITED_MS)

    event.listen(kit.store._writer, "begin", wait)
    try:
        yield
    finally:
        event.remove(kit.store._writer, "begin", wait)


def test_locks_last_from_when_they_are_had(kit: Kit, clock: Clock, column: Column) -> None:
    """Others would take what is handed out with a lock that has ended."""
    kit.employ("a", {"session_id": "s"})
    kit.poke("a")
    with waits(kit, clock):
        turn = kit.fetch(6_000)
        assert column("instance_locks", "locked_until") == clock.now_ms + 6_000
        kit.store.renew_orchestration_item_lock(turn.lock_token, 1_000)
        assert column("instance_locks", "locked_until") == clock.now_ms + 1_000
        work = kit.work(6_000, session=SESSION)
        assert column("worker_queue", "locked_until") == clock.now_ms + 6_000
        assert column("sessions", "locked_until") == clock.now_ms + SESSION.lock_timeout_ms
        kit.store.renew_work_item_lock(work.lock_token, 1_000)
        assert column("worker_queue", "locked_until") == clock.now_ms + 1_000
        kit.store.abandon_work_item(work.lock_token, delay_ms=1_000)
    assert kit.store.fetch_work_item(6_000, session=SESSION) is None
    clock.pass_ms(1_000)
    kit.work(session=SESSION)
    with waits(kit, clock):
        assert kit.store.renew_session_lock([SESSION.owner_id], 1_000, 60_000) == 0


def test_lock_that_ends_meanwhile_is_worth_nothing(kit: Kit, clock: Clock) -> None:
    kit.employ("a", {})
    kit.poke("a")
    turn, work = kit.fetch(1_000), kit.work(1_000)
    calls: list[Callable[[], object]] = [
        lambda: kit.store.renew_orchestration_item_lock(turn.lock_token, 1_000),
        lambda: kit.store.ack_orchestration_item(turn.lock_token, 1),
        lambda: kit.store.renew_work_item_lock(work.lock_token, 1_000),
        lambda: kit.store.ack_work_item(work.lock_token, kit.completion("a")),
    ]
    for number, call in enumerate(calls):
        with waits(kit, clock), pytest.raises(LockLostError):
            call()
        if number == 0:
            clock.pass_ms(-WAITED_MS)
    assert kit.fetch().attempt_count == 2


def test_a_look_finds_what_was_queued_before_it_began(made: EngineStore, kit: Kit, clock: Clock) -> None:
    """Those who wait for it while it waits for another look go by what it finds."""
    store = kit.store
    assert store.fetch_orchestration_item(1_000) is None  # the next one looks
    looks, may_go_on = threading.Event(), threading.Event()

    def linger(*_: Any) -> None:
        if not looks.is_set():
            looks.set()
            may_go_on.wait(10)

    found: list[OrchestrationItem | None] = []
    threads = [threading.Thread(target=lambda: found.append(store.fetch_orchestration_item(1_000))) for _ in range(2)]
    event.listen(store._writer, "after_cursor_execute", linger)
    try:
        threads[0].start()
        assert looks.wait(10)
        threads[1].start()
        time.sleep(0.1)
        clock.pass_ms(10)
        kit.start("a")
    finally:
        may_go_on.set()
        for thread in threads:
            thread.join()
        event.remove(store._writer, "after_cursor_execute", linger)
    assert sum(item is not None for item in found) == 1


def test_who_looks_for_long_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """He may be a thread of the process from which this one was forked, and never be done."""
    experience: Experience[str] = Experience()
    looks, may_go_on = threading.Event(), threading.Event()

    def linger() -> bool:
        looks.set()
        return may_go_on.wait(60)

    thread = threading.Thread(target=lambda: experience.ask("work", linger))
    thread.start()
    try:
        assert looks.wait(10)
        monkeypatch.setattr(passing, "_PATIENCE_SECONDS", 0.1)
        assert experience.ask("work", lambda: "first") == "first"
        monkeypatch.setattr(passing, "_PATIENCE_SECONDS", 20)
        begun = time.monotonic()
        assert experience.ask("work", lambda: "second") == "second"
        assert time.monotonic() - begun < 10
    finally:
        may_go_on.set()
        thread.join()


def test_who_was_late_and_quicker_all_the_same(engine_store: MakeStore) -> None:
    """An engine's own ack may write its turn after its lock has ended: the other one is refused, and told why."""
    made = engine_store(ENGINES[-1], "postgresql", ())
    kit = Kit(Store.open(made.target, made.schema))
    kit.begin("a")
    kit.poke("a")
    turn = kit.fetch()
    errors: list[HolystoneError] = []

    def ack() -> None:
        try:
            done = kit.event("a", 2, "CustomStatusUpdated", status="busy")
            kit.store.ack_orchestration_item(turn.lock_token, 1, history_delta=[done])
        except HolystoneError as error:
            errors.append(error)

    thread = threading.Thread(target=ack)
    with psycopg.connect(made.target, options=f"-csearch_path={made.schema}") as engine:
        engine.execute(
            "INSERT INTO history (instance_id, execution_id, event_id, event_type, event_data, created_at)"
            " SELECT instance_id, 1, 2, event_type, %s, now() FROM history",
            [kit.event("a", 2, "CustomStatusUpdated", status="late").to_json()],
        )
        thread.start()
        deadline = time.monotonic() + 30
        while made.execute("SELECT * FROM pg_locks WHERE NOT granted") == [] and time.monotonic() < deadline:
            time.sleep(0.01)
    thread.join()
    assert [type(error) for error in errors] == [InvalidTurnError]
    assert "goes as far as the event with the id 2 already" in errors[0].message
    assert made.execute("SELECT custom_status FROM instances") == [(None,)]
    kit.store.close()
