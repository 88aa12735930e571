"""The status that pg_durable keeps of an instance, held against the history that it is a copy of.

The worker writes it in an activity before the engine appends the end, `df.cancel` after it has told the engine to
cancel; either can be alone for a while, and some can for ever. What the history says is right.
"""

from enum import StrEnum

from msgspec import Struct

from holystone.duroxide.event_types import COMPLETED, FAILED
from holystone.pg_durable.activities import Progress

PENDING, RUNNING_COPY = "pending", "running"
LIVE = (PENDING, RUNNING_COPY)
ENDED = ("completed", "failed", "cancelled")


class Drift(StrEnum):
    """In which way a copy is wrong."""

    behind = "behind"
    """The instance has ended, and the copy says that it has not."""
    ahead = "ahead"
    """The copy says that it has ended, and it goes on."""
    differs = "differs"
    """Both have ended, in different ways."""
    too_late = "too late"
    """It was cancelled after the worker had written how it ended: both are right, each for its part."""
    impossible = "impossible"
    """No worker leaves it so, whatever the instance does."""
    lost = "lost"
    """The engine has nothing of an instance that should go on."""
    gone = "gone"
    """The engine has nothing of an instance that has ended, and no retention has taken it."""


class Root(Struct, frozen=True):
    """What the engine has of an instance.

    `status` is what its history says of the newest execution, None where it has no history; `cancelled` is whether that
    is how it failed, `kind` how it failed else. `start_queued` and `cancel_queued` are messages on their way.
    """

    status: str | None
    progress: Progress
    ended_ms: int | None = None
    cancelled: bool = False
    kind: str | None = None
    start_queued: bool = False
    cancel_queued: bool = False

    @property
    def has_ended(self) -> bool:
        return self.status in (COMPLETED, FAILED)

    @property
    def live_copy(self) -> str:
        """What the copy of an instance that goes on should say."""
        return RUNNING_COPY if self.progress.loaded and self.status is not None else PENDING

    @property
    def ended_copy(self) -> str:
        """What the copy of an instance that has ended should say: what the worker wrote, or `df.cancel` should have."""
        if self.cancelled:
            return self.progress.wrote if self.progress.wrote in ENDED else "cancelled"
        return "completed" if self.status == COMPLETED else "failed"

    @property
    def ended_copy_ms(self) -> int | None:
        """When that was written, or should have been: the time of the write, where it is in the history."""
        wrote = self.progress.wrote == self.ended_copy
        return self.progress.wrote_ms if wrote else self.ended_ms


class Verdict(Struct, frozen=True):
    """What is wrong with a copy, what it should say, and since when; `completed_ms` is None for no such time."""

    drift: Drift
    status: str | None
    completed_ms: int | None
    cause: str | None = None
    at_ms: int | None = None


def judged(status: str | None, has_completed_at: bool, root: Root) -> Verdict | None:
    """Return what is wrong with a copy that has this status; None where nothing is, or what is may be legal."""
    if root.has_ended:
        wrong = _of_ended(status, root)
    elif root.status is None and not root.start_queued:
        return _of_absent(status)
    else:
        wrong = _of_live(status, root)
    if wrong is None and has_completed_at != (status == "completed"):
        at_ms = root.ended_copy_ms if status == "completed" else None
        return Verdict(Drift.impossible, status, at_ms, "completed_at")
    return wrong


def _of_ended(status: str | None, root: Root) -> Verdict | None:
    right, at_ms = root.ended_copy, root.ended_copy_ms
    completed_ms = at_ms if right == "completed" else None
    if status not in ENDED:
        return Verdict(Drift.behind, right, completed_ms, _why_ended(root), at_ms)
    if root.cancelled and status == right != "cancelled":
        return Verdict(Drift.too_late, "cancelled", None, "cancelled-too-late")
    # One that was cancelled before it ever ran has failed by itself when it found no rows to run.
    if status == right or (status == "cancelled" and root.status == FAILED):
        return None
    return Verdict(Drift.differs, right, completed_ms, _why_ended(root), at_ms)


def _of_live(status: str | None, root: Root) -> Verdict | None:
    wrote = root.progress.wrote
    if status in ENDED:
        on_its_way = root.cancel_queued or root.progress.cancel_requested
        if status == wrote or (status == "cancelled" and on_its_way):
            return None
        return Verdict(Drift.ahead, root.live_copy, None, status)
    if status is None:
        return Verdict(Drift.impossible, root.live_copy, None, "null")
    if status == PENDING and root.progress.has_run:
        return Verdict(Drift.impossible, RUNNING_COPY, None, "running-write-lost")
    return None


def _of_absent(status: str | None) -> Verdict:
    if status in ENDED:
        return Verdict(Drift.gone, status, None, "ended")
    return Verdict(Drift.lost, "failed", None, "live")


def _why_ended(root: Root) -> str:
    """Return how the instance ended, as a cause."""
    if root.status == COMPLETED:
        return "completed"
    if root.cancelled:
        return "cancelled"
    if not root.progress.loaded:
        return "start-refused"
    return "failed" if root.kind is None else f"failed:{root.kind.lower()}"
