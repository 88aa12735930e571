"""Activities: fetch one, ack it with its completion, give it back, or hold on to it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, delete, or_, select, update

from holystone.clock import now_ms
from holystone.duroxide.tables import sessions, worker_queue
from holystone.duroxide.work_item import WorkItem, answers_to
from holystone.errors import InvalidTurnError, RecordError, UnreadableMessageError
from holystone.flavours import Flavour
from holystone.flavours.statements import BoundStatement
from holystone.store.open_store import OpenStore
from holystone.store.turns import queues
from holystone.store.turns.lease import WorkLease
from holystone.store.turns.locks import commit_held, is_live, new_token
from holystone.store.turns.sessions import SessionFetchConfig, claim, touch
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
        unreadable: UnreadableMessageError | None = None
        wanted: dict[str, Any] = {"passed": 0}
        if session is not None:
            wanted["owner"] = session.owner_id
        statement = self.prepared(_next_activity, session is not None, tags)
        while True:
            try:
                # Each row in a transaction of its own: on PostgreSQL the row of another worker's session stays locked
                # to its end, and two workers who each hold the one and want the other would wait for ever.
                with self.turn() as connection:
                    now, token = now_ms(), new_token()
                    wanted |= {"now": now, "moment": self.flavour.queue_time(now)}
                    locked = {"lock_token": token, "locked_until": now + lock_timeout_ms}
                    rows = self.flavour.execute_pipeline(connection, [(statement, wanted | locked)])[0].rows
                    if not rows:
                        break
                    (row,) = rows
                    wanted["passed"] = row.id
                    item = _activity(row)
                    if _is_ours(self, connection, row.session_id, session, now):
                        return WorkLease(item, token, row.attempt_count)
                    raise _NotOursError
            except UnreadableMessageError as error:
                unreadable = unreadable or error
            except _NotOursError:
                continue
        if unreadable is not None:
            raise unreadable
        return None

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
            steps = [*_used(held), *queues.for_orchestrator(self.flavour, completions, now)]
            commit_held(self, connection, steps, (_GONE, held), "activity", lock_token)

    def abandon_work_item(self, lock_token: str, delay_ms: int | None = None, ignore_attempt: bool = False) -> None:
        """Give the activity back, visible at once or after a delay in ms; LockLostError where the token locks none."""
        visible_at = self.flavour.queue_time(now_ms() + (delay_ms or 0))
        given_back = (_NOT_COUNTED if ignore_attempt else _GIVEN_BACK, {"token": lock_token, "visible": visible_at})
        with self.turn() as connection:
            commit_held(self, connection, [], given_back, "activity", lock_token)

    def renew_work_item_lock(self, lock_token: str, extend_ms: int) -> None:
        """Lock the activity for `extend_ms` from now; LockLostError where the lock has expired or it was cancelled."""
        now = now_ms()
        held = {"token": lock_token, "now": now}
        with self.turn() as connection:
            renewed = (_RENEWED, {**held, "until": now + extend_ms})
            commit_held(self, connection, _used(held), renewed, "activity", lock_token)


def _is_ours(
    store: OpenStore, connection: Connection, session_id: str | None, session: SessionFetchConfig | None, now: int
) -> bool:
    """Return whether an activity is the caller's to run; the session that it is of becomes his."""
    if session_id is None or session is None:
        return session_id is None
    return claim(store.flavour, connection, session_id, session, now)


class _NotOursError(Exception):
    """Another worker was quicker to take the session: the activity stays as it was."""


def _next_activity(flavour: Flavour, of_sessions: bool, tags: TagFilter) -> Any:
    """Lock the first visible row after another that nobody has locked and that the caller takes, and return it."""
    queue = worker_queue
    wanted = select(queue.c.id)
    free: ColumnElement[bool] = queue.c.session_id.is_(None)
    if of_sessions:
        held = and_(sessions.c.session_id == queue.c.session_id, is_live(sessions.c.locked_until, bindparam("now")))
        wanted = wanted.select_from(queue.outerjoin(sessions, held))
        free = or_(free, sessions.c.session_id.is_(None), sessions.c.worker_id == bindparam("owner"))
    first = (
        wanted.where(
            queue.c.id > bindparam("passed"),
            queue.c.visible_at <= bindparam("moment"),
            or_(queue.c.lock_token.is_(None), queue.c.locked_until <= bindparam("now")),
            free,
            tags.condition(queue.c.tag),
        )
        .order_by(queue.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=queue)
        .correlate(None)
        .scalar_subquery()
    )
    taken = update(queue).where(queue.c.id == first).values(attempt_count=queue.c.attempt_count + 1)
    return taken.returning(
        queue.c.id, queue.c.work_item, queue.c.attempt_count, queue.c.instance_id, queue.c.session_id
    )


def _activity(row: Any) -> WorkItem:
    try:
        item = WorkItem.from_json(row.work_item)
    except RecordError as error:
        raise UnreadableMessageError(worker_queue.name, row.id, row.instance_id, error.why) from error
    if not item.is_for_worker:
        why = f"it is a {item.kind}, and no activity"
        raise UnreadableMessageError(worker_queue.name, row.id, item.instance_id or row.instance_id, why)
    return item


_HELD = and_(worker_queue.c.lock_token == bindparam("token"), is_live(worker_queue.c.locked_until, bindparam("now")))
_HOLD = select(worker_queue.c.id).where(_HELD).with_for_update()
_SESSION = select(worker_queue.c.session_id).where(_HELD).scalar_subquery()
_GONE = delete(worker_queue).where(_HELD)
_RENEWED = update(worker_queue).where(_HELD).values(locked_until=bindparam("until"))
_GIVEN_BACK = (
    update(worker_queue)
    .where(worker_queue.c.lock_token == bindparam("token"))
    .values(lock_token=None, locked_until=None, visible_at=bindparam("visible"))
)
_ATTEMPTS = worker_queue.c.attempt_count
_NOT_COUNTED = _GIVEN_BACK.values(attempt_count=case((_ATTEMPTS > 0, _ATTEMPTS - 1), else_=0))


def _used(held: Mapping[str, Any]) -> list[BoundStatement]:
    """Return how to note that the session of an activity was used, whose row is locked first, as a fetch does it."""
    return [(_HOLD, held), (_TOUCHED, held)]


_TOUCHED = touch(_SESSION).values(last_activity_at=bindparam("now"))
