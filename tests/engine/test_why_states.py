"""The sentence for each state that an instance can be in, as the engine leaves it, and what becomes of it then."""

from __future__ import annotations

import json
import re
import time

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from engine.whys import LAST_ATTEMPT, diagnosed, now, progress, works, works_to_the_end, works_until

pytestmark = pytest.mark.long

LATEST = ENGINES[-1]
IN_FLIGHT = (
    r"Its activity Hang (?:is in the hands of a worker, whose lease ends in \d+ (?:s|min)"
    r"|was taken by a worker whose lease ended .* takes it once more)"
)
"""The worker has gone with the engine, and its lease ends where a slow machine takes long to make the store."""
SAID: dict[str, tuple[str, str]] = {
    "activity-in-flight": ("waiting", IN_FLIGHT),
    "activity-in-flight-on-session": ("waiting", IN_FLIGHT),
    "between-backed-off": ("due", r"was taken \d times and given back .*: is ContinuesAsMissing 9\.9\.9 registered"),
    "between-stopped": ("due", r"execution 1 has continued as new .* The message that begins its next execution waits"),
    "cancelled-reason": ("ended", r"It was cancelled \d+ (?:s|min) ago: \"it's"),
    "chain-waiting": ("waiting", r"It waits for the event go since \d+ (?:s|min), and nobody has sent it\."),
    "completed-plain": ("ended", r"It has completed \d+ (?:s|min) ago, with the output"),
    "failed-at-once": ("ended", r"It has failed \d+ (?:s|min) ago: "),
    "message-waiting-cancel": ("due", r"Its cancellation was asked for \(\"not taken yet\"\), which ends it"),
    "message-waiting-event": ("due", r"The event go was sent, .* A letter for its queue letters was sent"),
    "not-started": ("not-started", r"It has not begun\. The message that starts it waits"),
    "outstanding-live": ("waiting", r"It waits for its child .* And 3 more\."),
    "panicked": ("ended", r"It has failed \d+ (?:s|min) ago: \"orchestration panicked: "),
    "parent-waiting": (
        "waiting",
        r"It waits for its child parent-waiting::sub::2 .* The child: It waits for the event go",
    ),
    "queue-empty": (
        "waiting",
        r"It waits for a letter in its queue letters since .*, and nobody has sent it\.",
    ),
    "tagged": ("waiting", r"Its activity Echo waits for a worker with the tag gpu since \d+ (?:s|min)\."),
    "timer-pending": ("waiting", r"Its timer fires in 29 d\."),
    "unregistered": ("not-started", r"given back .*: is NobodyRegisteredThis registered there\?"),
    "unregistered-activity": ("waiting", r"given back .*: is an activity of this name registered there\?"),
    "unregistered-version": ("not-started", r"given back .*: is Upgraded 9\.9\.9 registered there\?"),
}


def test_each_state_has_its_sentence(engine_store: MakeStore, flavour: Flavour) -> None:
    found = diagnosed(engine_store(LATEST, flavour))
    wrong = {
        instance: (found[instance].state, found[instance].sentence)
        for instance, (state, sentence) in SAID.items()
        if found[instance].state != state or not re.match(f".*{sentence}", found[instance].sentence)
    }
    assert wrong == {}
    assert any("A dispatcher" in note for note in found["turn-in-flight-later"].notes) or (
        found["turn-in-flight-later"].state == "turn"
    )
    assert any("messages wait for it, which the engine drops" in one for one in found["message-waiting-ended"].notes)


def test_poison_is_told_from_other_failures(engine_store: MakeStore, flavour: Flavour) -> None:
    found = diagnosed(engine_store(LATEST, flavour, ["poisoned"]))
    for instance in ("poisoned-history", "poisoned-message", "poisoned-activity"):
        assert found[instance].state == "ended"
    poisoned = r"The engine has failed it as poisoned \d+ (?:s|min) ago, after 11 attempts \(at most 10\): \"poison: "
    for instance in ("poisoned-history", "poisoned-message"):
        assert re.match(poisoned, found[instance].sentence), found[instance].sentence
    assert "poison: activity NobodyRegisteredThis#2 exceeded" in found["poisoned-activity"].sentence
    assert any(note.startswith("The engine cannot read event 2") for note in found["poisoned-history"].notes)


def test_leases_and_timers_come_when_it_says(engine_store: MakeStore, flavour: Flavour) -> None:
    """In real time: neither before, nor later than a moment after."""
    store = engine_store(LATEST, flavour, ["judged", "judged-in-flight"])
    found = diagnosed(store)
    held = ("held-activity", "held-turn", "held-between", "live-timer")
    due = {instance: max(cause.due_ms or 0 for cause in found[instance].causes) for instance in held}
    before = progress(store)
    if min(due.values()) > time.time() * 1000 + 1500:  # on a machine that is not too busy
        works(store, [], for_ms=0)
        after = progress(store)
        still = [one for one in held if due[one] > time.time() * 1000]
        assert {one: after[one] for one in still} == {one: before[one] for one in still}
    time.sleep(max(0.0, max(due.values()) / 1000 - time.time()))
    found = diagnosed(store)
    assert {found[one].state for one in held} <= {"due", "waiting"}
    assert "whose lease ended" in found["held-activity"].sentence or found["held-activity"].state == "due"
    works_to_the_end(store, held)
    assert {one: diagnosed(store)[one].state for one in held} == dict.fromkeys(held, "ended")


def damaged(store: EngineStore, instance: str) -> None:
    """Have an event lack what its type needs: no engine reads it, and every database can hold it."""
    (text,) = store.execute("SELECT event_data FROM history WHERE instance_id = ? AND event_id = 2", instance)[0]
    event = json.loads(text)
    del event["name"]
    whole = json.dumps(event, separators=(",", ":"))
    store.execute("UPDATE history SET event_data = ? WHERE instance_id = ? AND event_id = 2", whole, instance)


def test_an_unreadable_history_sleeps_until_a_message_fails_it(
    engine_store: MakeStore, engine_version: str, flavour: Flavour
) -> None:
    store = engine_store(engine_version, flavour, ["queues"])
    damaged(store, "queue-empty")
    found = diagnosed(store)["queue-empty"]
    assert found.state == "unreadable"
    assert found.sentence.startswith("Its history cannot be read at event 2: ")
    assert found.sentence.endswith("No message waits.")
    before = progress(store)
    works(store, [])
    assert progress(store) == before
    store.run("enqueue-event", "queue-empty", "letters", "1")
    found = diagnosed(store)["queue-empty"]
    assert found.state == "unreadable"
    assert "with it the engine fails the instance, after ten attempts" in found.causes[0].sentence
    store.execute(f"UPDATE orchestrator_queue SET attempt_count = {LAST_ATTEMPT}, visible_at = ?", now(store))
    works_to_the_end(store, ["queue-empty"])
    found = diagnosed(store)["queue-empty"]
    assert found.state == "ended"
    assert "as poisoned" in found.sentence


def test_what_is_dropped_does_not_take_it_on(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    store = engine_store(engine_version, flavour, ["waiting", "timers", "completed"])
    stray = [
        ("waiting", {"ActivityCompleted": {"instance": "waiting", "execution_id": 7, "id": 2, "result": "1"}}),
        ("waiting-after-work", {"TimerFired": _fired("waiting-after-work", 4)}),
        ("completed-plain", {"ExternalRaised": {"instance": "completed-plain", "name": "go", "data": "1"}}),
    ]
    for instance, item in stray:
        store.execute(
            "INSERT INTO orchestrator_queue (instance_id, work_item, visible_at, created_at)"
            " VALUES (?, ?, ?, CURRENT_TIMESTAMP)",
            instance,
            json.dumps(item, separators=(",", ":")),
            now(store),
        )
    store.run("raise-event", "timer-pending", "other", "1")
    found = diagnosed(store)
    dropped = [cause for one in found.values() for cause in one.causes if cause.kind in ("message", "timer")]
    assert len([cause for cause in dropped if cause.wakes is False]) == len(stray) + 1
    assert {found[one].state for one in ("waiting", "waiting-after-work", "timer-pending")} == {"waiting"}
    assert any("for which it does not wait" in cause.sentence for cause in found["timer-pending"].causes)
    before = progress(store)
    others = "SELECT 1 FROM orchestrator_queue WHERE instance_id <> 'timer-pending'"
    works_until(store, [], lambda: not store.execute(others) and progress(store) != before)
    after = progress(store)
    # The engine keeps an event that nobody waits for, and goes on as before.
    assert {one for one in after if after[one] != before[one]} == {"timer-pending"}
    found = diagnosed(store)
    assert {found[one].state for one in ("waiting", "waiting-after-work", "timer-pending")} <= {"waiting", "turn"}
    assert not store.execute(others)


def _fired(instance: str, event_id: int) -> dict[str, object]:
    return {"instance": instance, "execution_id": 1, "id": event_id, "fire_at_ms": 1}


def test_a_child_whose_parent_is_gone_says_so(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(LATEST, flavour, ["parent-waiting"])
    for table in ("history", "executions", "instances"):
        store.execute(f"DELETE FROM {table} WHERE instance_id = 'parent-waiting'")
    found = diagnosed(store)["parent-waiting::sub::2"]
    assert found.state == "waiting"
    assert found.notes == ["Its parent parent-waiting was deleted. Its answer will go to nobody."]
    works_to_the_end(store, ["parent-waiting::sub::2"], [["event", "parent-waiting::sub::2", "go"]])
    found = diagnosed(store)["parent-waiting::sub::2"]
    assert (found.state, found.notes) == ("ended", ["Its parent parent-waiting was deleted."])


def test_an_instance_without_a_row_goes_on_by_its_history(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(LATEST, flavour, ["waiting"])
    store.execute("DELETE FROM instances WHERE instance_id = 'waiting'")
    store.execute("DELETE FROM history WHERE instance_id = 'waiting-after-work'")
    store.execute("DELETE FROM instances WHERE instance_id = 'waiting-after-work'")
    found = diagnosed(store)
    assert (found["waiting"].state, found["waiting-after-work"].state) == ("waiting", "orphaned")
    assert found["waiting"].notes[0].startswith("It has no row in instances")
    assert "What is left of it: an execution." in found["waiting-after-work"].sentence
    works_to_the_end(store, ["waiting"], [["event", "waiting", "go"]])
    assert diagnosed(store)["waiting"].state == "ended"


def test_a_message_that_cannot_be_read_is_told_of(engine_store: MakeStore, flavour: Flavour) -> None:
    """It stops its own instance, or is thrown away: it takes nobody on."""
    store = engine_store(LATEST, flavour, ["waiting"])
    store.execute(
        "INSERT INTO orchestrator_queue (instance_id, work_item, visible_at, created_at)"
        " VALUES ('waiting', ?, ?, CURRENT_TIMESTAMP)",
        '{"ExternalRaised":{"instance":"waiting","data":"1"}}',
        now(store),
    )
    found = diagnosed(store)["waiting"]
    assert found.state == "waiting"
    (message,) = (cause for cause in found.causes if cause.kind == "message")
    assert (message.wakes, "cannot be read by the engine" in message.sentence) == (False, True)
    before = progress(store)
    works(store, [])
    assert progress(store)["waiting"] == before["waiting"]


def test_a_session_keeps_other_workers_off_until_it_ends(engine_store: MakeStore, flavour: Flavour) -> None:
    """The worker that has it is gone, and holds it as long as its lease says."""
    store = engine_store(LATEST, flavour, ["activity-in-flight"])
    instance, until = "activity-in-flight-on-session", int(time.time() * 1000) + 20_000
    store.execute("UPDATE worker_queue SET lock_token = NULL, locked_until = NULL WHERE instance_id = ?", instance)
    store.execute("UPDATE sessions SET worker_id = 'gone', locked_until = ?", until)
    found = diagnosed(store)[instance]
    assert "is for the worker gone, which has the session" in found.sentence
    assert [cause.due_ms for cause in found.causes] == [until]
    before = progress(store)
    works(store, [])
    if time.time() * 1000 < until:
        assert progress(store)[instance] == before[instance]
    time.sleep(max(0.0, until / 1000 - time.time()))
    assert "is for the worker" not in diagnosed(store)[instance].sentence
    works_to_the_end(store, [instance])
    assert diagnosed(store)[instance].state == "ended"


def test_a_parent_is_as_stuck_as_its_child(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(LATEST, flavour, ["parent-waiting"])
    subscribed = "event_data LIKE '%ExternalSubscribed%'"
    store.execute(f"DELETE FROM history WHERE instance_id = 'parent-waiting::sub::2' AND {subscribed}")
    found = diagnosed(store)
    assert {one.state for one in found.values()} == {"stuck"}
    assert found["parent-waiting"].sentence.count("o message at all will ever wake it") == 2
    before = progress(store)
    works(store, [])
    assert progress(store) == before
