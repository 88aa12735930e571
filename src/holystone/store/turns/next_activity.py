"""Fetching an activity: the first that is free and that the worker takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, or_, select, update

from holystone.clock import now_ms
from holystone.duroxide.tables import sessions, worker_queue
from holystone.duroxide.work_item import WorkItem
from holystone.errors import RecordError, UnreadableMessageError
from holystone.flavours import Flavour
from holystone.flavours.statements import BoundStatement, NoRowError
from holystone.store.open_store import OpenStore
from holystone.store.turns.lease import WorkLease
from holystone.store.turns.locks import is_live, new_token, one_less
from holystone.store.turns.passing import Experience, not_passed, places, room_for
from holystone.store.turns.sessions import SessionFetchConfig, claim
from holystone.store.turns.tags import TagFilter

_Taken = WorkLease | int | None
"""An activity, the number of a row that holds none, or nothing."""


@dataclass(frozen=True)
class Worker:
    """Who fetches: whether activities of sessions as well, and with which tags."""

    session: SessionFetchConfig | None
    tags: TagFilter


def fetch(store: OpenStore, experience: Experience[int], worker: Worker, lock_timeout_ms: int) -> WorkLease | None:
    """Return the next activity to run: see `Activities.fetch_work_item`."""
    passed_over = list(experience.doubtful)
    is_idle = not experience.found
    while True:
        attempt: Callable[[], _Taken] = partial(_attempt, store, worker, lock_timeout_ms, passed_over, looks=is_idle)
        try:
            taken: _Taken = experience.ask((worker, *passed_over), attempt, at_once=not is_idle)
        except NoRowError:
            continue  # another worker was quicker to take the session: the activity stays as it was
        if isinstance(taken, WorkLease):
            experience.found = True
            return taken
        if taken is not None:
            experience.doubt(taken)
            passed_over.append(taken)
            continue
        experience.found = False
        if not _is_left(store, experience, worker):
            return None
        passed_over = [one for one in passed_over if one in experience.doubtful]


def _attempt(
    store: OpenStore, worker: Worker, lock_timeout_ms: int, passed_over: Sequence[int], *, looks: bool
) -> WorkLease | int | None:
    """Take the next activity; after a look, where that keeps nobody waiting and to take would."""
    if looks and store.flavour.writers_wait:
        first = store.prepared(_first, worker, room_for(passed_over))
        if not _asked(store, [(first, _wanted(store, worker, passed_over))])[0]:
            return None
    return _take(store, worker, lock_timeout_ms, passed_over)


def _wanted(store: OpenStore, worker: Worker, passed_over: Sequence[int] = ()) -> dict[str, Any]:
    now = now_ms()
    wanted: dict[str, Any] = {"now": now, "moment": store.flavour.queue_time(now), **places(passed_over)}
    return wanted if worker.session is None else wanted | {"owner": worker.session.owner_id}


def _asked(store: OpenStore, steps: list[BoundStatement]) -> list[Any]:
    """Return the rows of each of some questions; nothing is written, nor locked."""
    with store.outside_transactions() as connection:
        return [found.rows for found in store.flavour.commit_pipeline(connection, steps)]


def _take(store: OpenStore, worker: Worker, lock_timeout_ms: int, passed_over: Sequence[int]) -> WorkLease | int | None:
    """Take the next activity; None where there is none, the number of its row where that holds none to hand out.

    That is given back then. NoRowError where the session of the activity has become another worker's.
    """
    token = new_token()
    with store.turn() as connection:
        wanted = _wanted(store, worker, passed_over)
        now = wanted["now"]
        lock = {"lock_token": token, "locked_until": now + lock_timeout_ms}
        steps: list[BoundStatement] = [(store.prepared(_next, worker, room_for(passed_over)), wanted | lock)]
        if (session := worker.session) is not None:
            until = now + session.lock_timeout_ms
            claimed = {"now": now, "owner": session.owner_id, "session_until": until, "lock_token": token}
            steps.append((store.prepared(claim), claimed))
        rows = store.flavour.commit_pipeline(connection, steps)[0].rows
    if not rows:
        return None
    (row,) = rows
    try:
        return WorkLease(_activity(row), token, row.attempt_count)
    except UnreadableMessageError:
        with store.turn() as connection:
            store.flavour.commit_pipeline(connection, [(_UNTAKEN, {"token": token})])
        number: int = row.id
        return number


def _is_left(store: OpenStore, experience: Experience[int], worker: Worker) -> bool:
    """Return whether there is an activity among those that were passed over: it is forgotten then.

    UnreadableMessageError for the first that is none. Nothing is written.
    """
    doubtful = sorted(experience.doubtful)
    if not doubtful:
        return False
    statement, wanted = store.prepared(_waiting, worker), _wanted(store, worker)
    unreadable: UnreadableMessageError | None = None
    is_left = False
    for number, rows in zip(
        doubtful, _asked(store, [(statement, wanted | {"row": number}) for number in doubtful]), strict=True
    ):
        try:
            for row in rows:
                _activity(row)
        except UnreadableMessageError as error:
            unreadable = unreadable or error
        else:
            experience.trust(number)
            is_left = is_left or bool(rows)
    if unreadable is not None and not is_left:
        raise unreadable
    return is_left


def _available(worker: Worker) -> Select[Any]:
    """Select the rows that nobody has locked and that the worker takes, by their numbers."""
    queue = worker_queue
    wanted = select(queue.c.id)
    free: ColumnElement[bool] = queue.c.session_id.is_(None)
    if worker.session is not None:
        held = and_(sessions.c.session_id == queue.c.session_id, is_live(sessions.c.locked_until, bindparam("now")))
        wanted = wanted.select_from(queue.outerjoin(sessions, held))
        free = or_(free, sessions.c.session_id.is_(None), sessions.c.worker_id == bindparam("owner"))
    return wanted.where(
        queue.c.visible_at <= bindparam("moment"),
        or_(queue.c.lock_token.is_(None), queue.c.locked_until <= bindparam("now")),
        free,
        worker.tags.condition(queue.c.tag),
    )


def _first(flavour: Flavour, worker: Worker, room: int) -> Select[Any]:
    """Select the first of them but for those that are passed over."""
    return _available(worker).where(*not_passed(worker_queue.c.id, room)).order_by(worker_queue.c.id).limit(1)


def _next(flavour: Flavour, worker: Worker, room: int) -> Any:
    """Lock it, and return it."""
    queue = worker_queue
    first = _first(flavour, worker, room).with_for_update(skip_locked=True, of=queue)
    taken = update(queue).where(queue.c.id == first.correlate(None).scalar_subquery())
    return taken.values(attempt_count=queue.c.attempt_count + 1).returning(
        queue.c.id, queue.c.work_item, queue.c.attempt_count, queue.c.instance_id
    )


def _waiting(flavour: Flavour, worker: Worker) -> Select[Any]:
    """Select one of them whole."""
    row = _available(worker).where(worker_queue.c.id == bindparam("row"))
    return row.add_columns(worker_queue.c.work_item, worker_queue.c.instance_id)


_UNTAKEN = (
    update(worker_queue)
    .where(worker_queue.c.lock_token == bindparam("token"))
    .values(lock_token=None, locked_until=None, attempt_count=one_less(worker_queue.c.attempt_count))
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
