"""The rules: whatever clients, workers and their deaths can do to a store, one thing after the other."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holystone.errors import ExecutionEndedError, LockLostError
from holystone.store import WorkItem
from holystone.store.turns.lease import OrchestrationItem, WorkLease
from machine.lane import COMMIT
from machine.lockstep import Lockstep
from machine.script import DELAYS_MS, INSTANCES, Script, play, scripts
from machine.spoil import HOW, spoilt
from turns.kit import LOCK_MS
from turns.shared.turn import Turn

POINTS = (
    "DELETE executions",
    "DELETE history",
    "DELETE instance_locks",
    "DELETE instances",
    "DELETE kv_delta",
    "DELETE kv_store",
    "DELETE orchestrator_queue",
    "DELETE worker_queue",
    "INSERT executions",
    "INSERT history",
    "INSERT instance_locks",
    "INSERT instances",
    "INSERT kv_delta",
    "INSERT kv_store",
    "INSERT orchestrator_queue",
    "INSERT worker_queue",
    "SELECT instance_locks",
    "UPDATE executions",
    "UPDATE instance_locks",
    "UPDATE instances",
    "UPDATE kv_delta",
    "UPDATE orchestrator_queue",
    "UPDATE worker_queue",
    COMMIT,
)
"""Where a process can die: before it changes a table, and before all is committed."""

STATUSES = (None, "Running", "Completed", "Failed", "ContinuedAsNew")
MESSAGES = {
    "CancelInstance": {"reason": "no longer wanted"},
    "ExternalRaised": {"name": "go", "data": "1"},
    "QueueMessage": {"name": "letters", "data": "1"},
}
CHARGED = {"result": '"charged"'}
BROKEN = {"details": {"Application": {"kind": "ActivityFailed", "message": "broken", "retryable": False}}}
USES = ("abandon_orchestration_item", "abandon_work_item", "ack_orchestration_item", "renew_work_item_lock")
NOTHING: dict[str, Any] = {"worker_items": (), "orchestrator_items": (), "cancelled_activities": ()}

instances = st.sampled_from(INSTANCES)
workers = st.sampled_from((0, 1))
which = st.integers(0, 3)
deaths = st.none() | st.none() | st.sampled_from(POINTS)
delays = st.sampled_from((None, *DELAYS_MS))


class TurnProtocol(RuleBasedStateMachine):
    """Clients and two workers on both stores.

    `turns` and `activities` are what workers have fetched and not given back, good or not; `spent` are the tokens of
    what they have. `which` counts from the newest. A `thorough` machine scans both stores after every step; any other
    does so at its end, and looks for what is suspicious in one of them before.
    """

    thorough = False

    def __init__(self, stores: Lockstep) -> None:
        super().__init__()
        self.stores = stores
        self.turns: list[OrchestrationItem] = []
        self.activities: list[WorkLease] = []
        self.spent: list[str] = []
        stores.begin()

    @invariant()
    def is_as_it_must_be(self) -> None:
        self.stores.require_same_contents()
        if self.thorough:
            self.stores.require_clean()
        else:
            self.stores.require_unsuspicious()

    def teardown(self) -> None:
        self.stores.require_clean()
        for instance in ("nobody", *self._known):
            self.stores.read("get_status", instance)
        for status in STATUSES:
            self.stores.read("list_executions", status=status)

    # Clients

    @initialize(script=scripts)
    def begin(self, script: Script) -> None:
        self.start("a", None)
        self.take_turn(script, 0)

    @rule(instance=instances, version=st.sampled_from((None, "2.0.0")))
    def start(self, instance: str, version: str | None) -> None:
        nobody = {"parent_instance": None, "parent_id": None}
        named = {"orchestration": f"Order {instance}", "input": "null", "version": version}
        self._send("StartOrchestration", None, instance=instance, **named, **nobody, execution_id=1)

    @precondition(lambda self: self._known)
    @rule(kind=st.sampled_from(tuple(MESSAGES)), which=which, delay=delays)
    def send(self, kind: str, which: int, delay: int | None) -> None:
        self._send(kind, delay, instance=self._instance(which), **MESSAGES[kind])

    @precondition(lambda self: self._known)
    @rule(which=which, keep_last=st.sampled_from((None, 1, 2)), force=st.sampled_from((None, False, True)), dies=deaths)
    def remove(self, which: int, keep_last: int | None, force: bool | None, dies: str | None) -> None:
        self.stores.crash_at = dies
        instance = self._instance(which)
        if force is None:
            self.stores.write("prune_executions", instance, keep_last=keep_last)
        else:
            self.stores.write("delete_instance", instance, force=force)

    # Workers

    @precondition(lambda self: self.stores.model.orchestrator_queue)
    @rule(worker=workers, dies=deaths)
    def fetch_turn(self, worker: int, dies: str | None = None) -> None:
        self.stores.crash_at = dies
        item = self.stores.write("fetch_orchestration_item", LOCK_MS, worker=worker).value
        self.turns += [] if item is None else [item]

    @precondition(lambda self: self.turns)
    @rule(which=which, script=scripts, worker=workers, dies=deaths, late=st.booleans())
    def ack_turn(self, which: int, script: Script, worker: int, dies: str | None = None, late: bool = False) -> None:
        self.stores.pass_ms(LOCK_MS if late else 0)
        self.stores.crash_at = dies
        turn = Turn(self._taken(self.turns, which))
        play(turn, script)
        self.stores.write(
            "ack_orchestration_item",
            turn.item.lock_token,
            turn.execution_id,
            history_delta=turn.delta,
            worker_items=turn.worker_items,
            orchestrator_items=turn.orchestrator_items,
            cancelled_activities=turn.cancelled_activities,
            worker=worker,
        )

    @precondition(lambda self: self.turns)
    @rule(which=which, script=scripts, worker=workers, how=st.sampled_from(tuple(HOW)))
    def ack_what_is_none(self, which: int, script: Script, worker: int, how: str) -> None:
        """A turn with one thing wrong is refused, and its lock stays as it is."""
        item = self.turns[-1 - which % len(self.turns)]
        turn = Turn(item)
        play(turn, script)
        ack = spoilt(turn, how)
        if ack is not None:
            self.stores.refuse("ack_orchestration_item", item.lock_token, turn.execution_id, worker=worker, **ack)

    @precondition(lambda self: self.stores.model.orchestrator_queue)
    @rule(script=scripts, worker=workers, dies=deaths)
    def take_turn(self, script: Script, worker: int, dies: str | None = None) -> None:
        held = len(self.turns)
        self.fetch_turn(worker)
        if len(self.turns) > held:
            self.ack_turn(0, script, worker, dies)

    @precondition(lambda self: self._known)
    @rule(which=which, script=scripts, dies=deaths)
    def wake_and_take_turn(self, which: int, script: Script, dies: str | None) -> None:
        self.send("ExternalRaised", which, None)
        self.take_turn(script, 0, dies)

    @precondition(lambda self: self.stores.model.worker_queue)
    @rule(worker=workers, dies=deaths)
    def fetch_activity(self, worker: int, dies: str | None = None) -> None:
        self.stores.crash_at = dies
        lease = self.stores.write("fetch_work_item", LOCK_MS, worker=worker).value
        self.activities += [] if lease is None else [lease]

    @precondition(lambda self: self.activities)
    @rule(which=which, fails=st.booleans(), dies=deaths, late=st.booleans())
    def ack_activity(self, which: int, fails: bool, dies: str | None = None, late: bool = False) -> None:
        self.stores.pass_ms(LOCK_MS if late else 0)
        self.stores.crash_at = dies
        lease = self._taken(self.activities, which)
        activity = {name: lease.item.fields[name] for name in ("instance", "execution_id", "id")}
        kind, came = ("ActivityFailed", BROKEN) if fails else ("ActivityCompleted", CHARGED)
        self.stores.write("ack_work_item", lease.lock_token, WorkItem.new(kind, **activity, **came))

    @precondition(lambda self: self.stores.model.worker_queue)
    @rule(fails=st.booleans(), script=scripts, dies=deaths)
    def run_activity_and_take_turn(self, fails: bool, script: Script, dies: str | None) -> None:
        held = len(self.activities)
        self.fetch_activity(1)
        if len(self.activities) > held:
            self.ack_activity(0, fails)
        self.take_turn(script, 1, dies)

    @precondition(lambda self: self.turns or self.activities)
    @rule(which=which, delay=delays, ignore_attempt=st.booleans(), dies=deaths)
    def abandon(self, which: int, delay: int | None, ignore_attempt: bool, dies: str | None) -> None:
        self.stores.crash_at = dies
        if self.turns:
            token = self._taken(self.turns, which).lock_token
            self.stores.write("abandon_orchestration_item", token, delay, ignore_attempt)
        else:
            token = self._taken(self.activities, which).lock_token
            self.stores.write("abandon_work_item", token, delay, ignore_attempt)

    @precondition(lambda self: self.turns or self.activities)
    @rule(which=which, extend_ms=st.sampled_from(DELAYS_MS))
    def renew(self, which: int, extend_ms: int) -> None:
        if self.turns:
            token = self.turns[-1 - which % len(self.turns)].lock_token
            self.stores.write("renew_orchestration_item_lock", token, extend_ms)
        else:
            token = self.activities[-1 - which % len(self.activities)].lock_token
            self.stores.write("renew_work_item_lock", token, extend_ms)

    # What goes wrong

    @rule(ms=st.sampled_from((*DELAYS_MS, LOCK_MS)))
    def pass_time(self, ms: int) -> None:
        self.stores.pass_ms(ms)

    @precondition(lambda self: self.spent)
    @rule(which=which, use=st.sampled_from(USES))
    def use_a_spent_token(self, which: int, use: str) -> None:
        named = {"history_delta": (), **NOTHING} if use == "ack_orchestration_item" else {}
        values = [1] if use in ("ack_orchestration_item", "renew_work_item_lock") else []
        token = self.spent[-1 - which % len(self.spent)]
        # An ack that came too late has left its lock, which may still be given back.
        is_left = token in self.stores.model.tokens
        answer = self.stores.write(use, token, *values, **named)
        assert answer.error is LockLostError or is_left

    @precondition(lambda self: self.turns)
    @rule(which=which)
    def append_to_what_has_ended(self, which: int) -> None:
        item = self.turns[-1 - which % len(self.turns)]
        turn = Turn(item)
        if turn.over:
            turn.add("ExternalSubscribed", name="go")
            token, delta = item.lock_token, turn.delta
            answer = self.stores.write(
                "ack_orchestration_item", token, turn.execution_id, history_delta=delta, **NOTHING
            )
            assert answer.error in (ExecutionEndedError, LockLostError)

    # How it is done

    def _instance(self, which: int) -> str:
        return self._known[which % len(self._known)]

    @property
    def _known(self) -> list[str]:
        """The instances that are there, or begin with the next turn: all that messages can be sent to."""
        model = self.stores.model
        queued = [row["work_item"] for row in model.orchestrator_queue]
        begun = {str(item.instance_id) for item in queued if item.kind == "StartOrchestration"}
        return sorted({*model.instances, *begun})

    def _send(self, kind: str, delay: int | None, **fields: Any) -> None:
        self.stores.write("enqueue_for_orchestrator", WorkItem.new(kind, **fields), delay)

    def _taken(self, fetched: list[Any], which: int) -> Any:
        """Take what was fetched out of a list; its token is spent then."""
        one = fetched.pop(-1 - which % len(fetched))
        self.spent.append(one.lock_token)
        return one
