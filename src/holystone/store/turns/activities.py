"""Activities: fetch one, ack it with its completion, give it back, or hold on to it."""

from functools import cached_property

from sqlalchemy import and_, bindparam, delete, select, update

from holystone.clock import now_ms
from holystone.duroxide.tables import worker_queue
from holystone.duroxide.work_item import WorkItem, answers_to
from holystone.errors import InvalidTurnError
from holystone.flavours.statements import Required, Step
from holystone.store.open_store import OpenStore
from holystone.store.turns import queues
from holystone.store.turns.lease import WorkLease
from holystone.store.turns.locks import commit_held, is_live, one_less
from holystone.store.turns.next_activity import Worker, fetch
from holystone.store.turns.passing import Experience
from holystone.store.turns.sessions import SessionFetchConfig, touch
from holystone.store.turns.tags import TagFilter

_COMPLETIONS = answers_to("ActivityScheduled")


class Activities(OpenStore):
    """The queue of activities: what a worker does with it."""

    def fetch_work_item(
        self, lock_timeout_ms: int, *, session: SessionFetchConfig | None = None, tags: TagFilter | None = None
    ) -> WorkLease | None:
        """Return the next activity to run, locked for `lock_timeout_ms`, or None where there is none.

        With `session` those of sessions that are free or the owner's own are taken too, and the session with them;
        without it only those without a session. Without `tags` only those without a tag are taken.

        A row that is no activity is passed over, so that it holds up no other. UnreadableMessageError names it where
        there is nothing else to fetch; it stays as it is until somebody mends or deletes it. (The engine fails at such
        a row each time: on SQLite its workers get nothing else any more.)
        """
        tags = tags or TagFilter.default_only()
        if tags == TagFilter.none():
            return None
        return fetch(self, self._fetched_activities, Worker(session, tags), lock_timeout_ms)

    @cached_property
    def _fetched_activities(self) -> Experience[int]:
        return Experience()

    def ack_work_item(self, lock_token: str, completion: WorkItem | None = None) -> None:
        """Take the activity out of the queue and tell its orchestration; None tells nobody.

        LockLostError where the lock has expired, or the activity was cancelled meanwhile.
        """
        if completion is not None and completion.kind not in _COMPLETIONS:
            raise InvalidTurnError(f"A {completion.kind} for {completion.instance_id!r} completes no activity.")
        with self.turn() as connection:
            now = now_ms()
            held = {"token": lock_token, "now": now}
            completions = [] if completion is None else [completion]
            told = queues.for_orchestrator(self.flavour, completions, now)
            done: list[Step] = [Required(_HOLD, held), (_TOUCHED, held), *told, (_GONE, held)]
            commit_held(self, connection, done, "activity", lock_token)

    def abandon_work_item(self, lock_token: str, delay_ms: int | None = None, ignore_attempt: bool = False) -> None:
        """Give the activity back, visible at once or after a delay in ms; LockLostError where the token locks none."""
        held = {"token": lock_token}
        with self.turn() as connection:
            visible_at = self.flavour.queue_time(now_ms() + (delay_ms or 0))
            given_back = (_NOT_COUNTED if ignore_attempt else _GIVEN_BACK, {**held, "visible": visible_at})
            commit_held(self, connection, [Required(_HOLD_ANY, held), given_back], "activity", lock_token)

    def renew_work_item_lock(self, lock_token: str, extend_ms: int) -> None:
        """Lock the activity for `extend_ms` from now; LockLostError where the lock has expired or it was cancelled."""
        with self.turn() as connection:
            now = now_ms()
            held = {"token": lock_token, "now": now}
            renewed = (_RENEWED, {**held, "until": now + extend_ms})
            commit_held(self, connection, [Required(_HOLD, held), (_TOUCHED, held), renewed], "activity", lock_token)


_OURS = worker_queue.c.lock_token == bindparam("token")
_HELD = and_(_OURS, is_live(worker_queue.c.locked_until, bindparam("now")))
# The row is locked before its session, as a fetch does it.
_HOLD_ANY = select(worker_queue.c.id).where(_OURS).with_for_update()
_HOLD = select(worker_queue.c.id).where(_HELD).with_for_update()
_SESSION = select(worker_queue.c.session_id).where(_HELD).scalar_subquery()
_GONE = delete(worker_queue).where(_HELD)
_RENEWED = update(worker_queue).where(_HELD).values(locked_until=bindparam("until"))
_GIVEN_BACK = (
    update(worker_queue).where(_OURS).values(lock_token=None, locked_until=None, visible_at=bindparam("visible"))
)
_NOT_COUNTED = _GIVEN_BACK.values(attempt_count=one_less(worker_queue.c.attempt_count))

_TOUCHED = touch(_SESSION).values(last_activity_at=bindparam("now"))
