"""What a run was asked for, as the journal keeps it: enough to plan again in the same way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from holystone.errors import JournalError
from holystone.mend.journal import Run


@dataclass(frozen=True)
class Request:
    """The choices of `repair apply`: what to look at, the unsafe repairs that were named, and where the plan is from.

    `config` is the whole path of the policy's file. `from_file` says that a plan file was given, whose hash is the
    run's `plan`.
    """

    level: str
    select: Sequence[str]
    ignore: Sequence[str]
    reasons: Mapping[str, str]
    instance: str | None
    config: str | None
    race_window: int
    unsafe: Sequence[str]
    from_file: bool

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


def request_of(run: Run) -> Request:
    """Return what a run of apply was asked for; JournalError where the journal does not say it."""
    try:
        return Request(**json.loads(run.asked_for or ""))
    except (ValueError, TypeError):
        raise JournalError(
            f"The journal does not say what run {run.run_id!r} was asked for, so it cannot be resumed.",
            "Make a run of its own for the rest: holystone repair apply TARGET",
        ) from None


def needs_plan_file(run: Run) -> bool:
    """Return whether a run is one of apply that was given the file of a plan, without which it cannot go on."""
    try:
        return run.undoes is None and request_of(run).from_file
    except JournalError:
        return False


def require_resumable(run: Run) -> None:
    """Raise JournalError where there is nothing to go on with: the run came to its end, or was taken back since."""
    if run.finished_at_ms is not None:
        raise JournalError(
            f"Run {run.run_id!r} has come to its end, so there is nothing to resume.",
            "`holystone repair log TARGET` lists the runs that were stopped.",
        )
    if undone_by := next((entry.undone_by for entry in run.changes if entry.undone_by is not None), None):
        raise JournalError(
            f"Run {run.run_id!r} was undone since, by {undone_by!r}, so it cannot be resumed.",
            "Make a run of its own: holystone repair apply TARGET",
        )
