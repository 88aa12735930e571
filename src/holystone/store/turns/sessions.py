"""Sessions: activities that share one are run by the same worker for as long as it holds the session."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, Update, bindparam, delete, exists, not_, or_, select, update

from holystone.clock import now_ms
from holystone.duroxide.tables import sessions, worker_queue
from holystone.flavours import Flavour
from holystone.store.open_store import OpenStore
from holystone.store.turns.locks import is_live


@dataclass(frozen=True)
class SessionFetchConfig:
    """Who fetches activities of sessions, and for how long (in ms) a session becomes theirs with each of them."""

    owner_id: str
    lock_timeout_ms: int


class Sessions(OpenStore):
    """The sessions that workers hold."""

    def renew_session_lock(self, owner_ids: Sequence[str], extend_ms: int, idle_timeout_ms: int) -> int:
        """Hold these workers' sessions for `extend_ms` from now; return how many.

        Sessions that have expired, or were not used for `idle_timeout_ms`, are not renewed: the idle ones become free
        when their locks end.
        """
        with self.turn() as connection:
            now = now_ms()
            held = sessions.c.worker_id.in_(owner_ids) & is_live(sessions.c.locked_until, now)
            used = sessions.c.last_activity_at > now - idle_timeout_ms
            return connection.execute(update(sessions).where(held, used).values(locked_until=now + extend_ms)).rowcount

    def cleanup_orphaned_sessions(self) -> int:
        """Remove the sessions that have expired and have no activity waiting; return how many.

        The engine's own operation takes an idle timeout, and makes no use of it.
        """
        waiting = exists().where(worker_queue.c.session_id == sessions.c.session_id)
        with self.turn() as connection:
            return connection.execute(
                delete(sessions).where(sessions.c.locked_until < now_ms(), not_(waiting))
            ).rowcount


def claim(flavour: Flavour) -> Any:
    """Make the session of an activity that was just taken its owner's, or hold on to it, where it has one.

    NoRowError where another worker was quicker.
    """
    names = ("worker_id", "locked_until", "last_activity_at")
    values = (
        bindparam("owner", type_=Text),
        bindparam("session_until", type_=BigInteger),
        bindparam("now", type_=BigInteger),
    )
    of_taken = worker_queue.c.lock_token == bindparam("lock_token"), worker_queue.c.session_id.is_not(None)
    take = flavour.insert(sessions).from_select(
        ["session_id", *names], select(worker_queue.c.session_id, *values).where(*of_taken)
    )
    claimed: dict[str, Any] = {name: take.excluded[name] for name in names}
    free = or_(
        sessions.c.locked_until <= take.excluded.last_activity_at, sessions.c.worker_id == take.excluded.worker_id
    )
    claimed["locked_until"] = flavour.or_fail(free, take.excluded.locked_until)
    return take.on_conflict_do_update(index_elements=["session_id"], set_=claimed)


def touch(session_id: ColumnElement[Any]) -> Update:
    """Return how to write to a session that was used; once its lock has expired it may be another worker's."""
    return update(sessions).where(
        sessions.c.session_id == session_id, is_live(sessions.c.locked_until, bindparam("now"))
    )
