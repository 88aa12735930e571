"""Turns of instances: taken, written, given back; and the messages that ask for them."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any
from weakref import finalize

from sqlalchemy import bindparam, update

from holystone.clock import now_ms
from holystone.duroxide.event import Event
from holystone.duroxide.metadata import ExecutionMetadata
from holystone.duroxide.tables import instance_locks
from holystone.duroxide.work_item import WorkItem
from holystone.flavours.statements import BoundStatement, Required, Step
from holystone.store.open_store import OpenStore
from holystone.store.turns import queues
from holystone.store.turns.ack import ack
from holystone.store.turns.fetch import fetch
from holystone.store.turns.lease import OrchestrationItem, Standing
from holystone.store.turns.locks import HOLD_LOCK, NOT_COUNTED, RELEASED, STAMPED, commit_held, is_live, release
from holystone.store.turns.next_turn import Version
from holystone.store.turns.passing import Experience
from holystone.store.turns.turn import Ack, Activity


class Turns(OpenStore):
    """The queue of turns: what a dispatcher does with it."""

    @cached_property
    def _fetches(self) -> Experience[str]:
        return Experience()

    @cached_property
    def _standings(self) -> dict[str, Standing]:
        """What turns are judged by that were fetched, and whose callers still have them, by their tokens."""
        return {}

    def fetch_orchestration_item(
        self, lock_timeout_ms: int, supported: tuple[Version, Version] | None = None
    ) -> OrchestrationItem | None:
        """Return the next turn to take, locked for `lock_timeout_ms`, or None where there is none at this moment.

        `supported` is the lowest and the highest engine version whose executions the caller can replay; others, and
        their histories, are not touched. An instance that cannot be begun yet, because a message came before its start,
        is passed over, so that it holds up no other; messages of event queues are not kept for such a one.

        An instance with a message that cannot be read is passed over as well. UnreadableMessageError names the row
        where there is no other turn to take; nothing of it is written, and it stays until somebody mends or deletes it.
        (The engine loses such a message on SQLite without a word, and on PostgreSQL no turn of the whole store can be
        taken.)
        """
        taken = fetch(self, self._fetches, lock_timeout_ms, supported)
        if taken is None:
            return None
        item, standing = taken
        if standing is not None:
            self._standings[item.lock_token] = standing
            finalize(item, self._standings.pop, item.lock_token, None).atexit = False
        return item

    def ack_orchestration_item(
        self,
        lock_token: str,
        execution_id: int,
        *,
        history_delta: Sequence[Event] = (),
        worker_items: Sequence[WorkItem] = (),
        orchestrator_items: Sequence[WorkItem] = (),
        metadata: ExecutionMetadata | None = None,
        cancelled_activities: Sequence[Activity] = (),
    ) -> None:
        """Write a turn and release its instance.

        LockLostError where the lock is not ours any more. InvalidTurnError where the turn is none that the engine could
        have taken: its execution is neither the current one nor the one that follows it, its events do not go on where
        the history ends, or its messages do not go with its events. ExecutionEndedError where the execution has ended
        before, UnknownInstanceError where there is no instance and no event that starts it. Nothing is written then,
        and the lock stays as it is.

        A history that cannot be read may be ended all the same: as the engine does it, with an OrchestrationFailed at
        the event id 99999.
        """
        given = Ack(history_delta, worker_items, orchestrator_items, metadata, cancelled_activities)
        ack(self, self._standings.pop(lock_token, None), lock_token, execution_id, given)

    def abandon_orchestration_item(
        self, lock_token: str, delay_ms: int | None = None, ignore_attempt: bool = False
    ) -> None:
        """Release the instance and its messages, for others to take at once or after a delay in ms.

        With `ignore_attempt` the fetch does not count as one. LockLostError where the token locks nothing.
        """
        token = {"token": lock_token}
        given: dict[str, Any] = {**token, **RELEASED}
        with self.turn() as connection:
            if delay_ms is not None:
                given["visible_at"] = self.flavour.queue_time(now_ms() + delay_ms)
            steps: list[BoundStatement] = [(NOT_COUNTED if ignore_attempt else STAMPED, given)]
            commit_held(self, connection, [*steps, *release(lock_token)], "turn", lock_token)

    def renew_orchestration_item_lock(self, lock_token: str, extend_ms: int) -> None:
        """Lock the instance for `extend_ms` from now; LockLostError where the lock has expired or is not ours."""
        with self.turn() as connection:
            now = now_ms()
            token, until = {"token": lock_token}, {"locked_until": now + extend_ms}
            steps: list[Step] = []
            if self.flavour.messages_carry_expiry:
                steps.append((STAMPED, token | until))
            steps += [Required(_HOLD_LIVE, {**token, "now": now}), (_RENEWED, token | until)]
            commit_held(self, connection, steps, "turn", lock_token)

    def enqueue_for_orchestrator(self, work_item: WorkItem, delay_ms: int | None = None) -> None:
        """Queue a message for an instance: visible now, after a delay in ms, or for a timer when it fires.

        InvalidTurnError for an activity, and for a message that says no instance.
        """
        with self.turn() as connection:
            steps = queues.for_orchestrator(self.flavour, [work_item], now_ms(), delay_ms)
            self.flavour.commit_pipeline(connection, steps)

    def enqueue_for_worker(self, work_item: WorkItem) -> None:
        """Queue an activity, to be run by a worker; InvalidTurnError for any other message."""
        with self.turn() as connection:
            self.flavour.commit_pipeline(connection, queues.for_worker(self.flavour, [work_item], now_ms()))


_HOLD_LIVE = HOLD_LOCK.where(is_live(instance_locks.c.locked_until, bindparam("now")))
_RENEWED = update(instance_locks).where(instance_locks.c.lock_token == bindparam("token"))
