"""What can go wrong through no fault of the program: one sentence each, and what to do next."""

from collections.abc import Sequence
from typing import Any


class HolystoneError(Exception):
    """An error that a user can cause or mend.

    `message` is one sentence that names the cause or the harm; `next_step` is what to type or to do
    about it. The command line prints both on stderr and exits with 2. Neither ever holds a password.
    """

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __reduce__(self) -> Any:
        """Have what a worker raises in another process arrive as it is: its class may take other arguments."""
        return type(self).__new__, (type(self), *self.args), self.__dict__


class TargetError(HolystoneError):
    """The target names nothing that could be a store: no such file, unknown dialect, no server."""


class TakenError(TargetError):
    """A store cannot be made at the target, for something is there already."""


class NotAStoreError(HolystoneError):
    """There is a database, and it is not a duroxide store, or only half of one."""


class NoTablesError(NotAStoreError):
    """There is a file or a database, and no table of the engine in it."""


class StoreUnavailableError(HolystoneError):
    """The store cannot be read or written now: locked, no permission, damaged, disconnected."""


class StoreChangedError(StoreUnavailableError):
    """A writer came while the store was read without locks, so what was read is not to be relied on."""


class UnfinishedScanError(HolystoneError):
    """A scan was asked for its verdict before all of it was looked at, or was begun a second time."""


class TurnError(HolystoneError):
    """A turn or an activity cannot be written; nothing of it was."""


class ReadOnlyError(TurnError):
    """The store was opened to be read only."""


class LockLostError(TurnError):
    """The lock has expired, was taken over, or never was."""


class InvalidTurnError(TurnError):
    """What the caller wants to write contradicts itself or the store."""

    def __init__(self, message: str, next_step: str = "Mend the caller: nothing was written.") -> None:
        super().__init__(message, next_step)


class ExecutionEndedError(TurnError):
    """The execution has ended; a terminal event is its last word."""


class UnknownInstanceError(TurnError):
    """There is no such instance, or no such execution of it."""


class DeletionError(TurnError):
    """An instance cannot be deleted, or an execution not pruned; nothing was."""


class SchemaTooOldError(TurnError):
    """The store lacks tables or columns that came with later versions of the engine."""


class OutOfTimeError(StoreUnavailableError):
    """The time that a command was given is over, and not all was read."""

    def __init__(self, seconds: float, what: str = "all was read") -> None:
        self.seconds = seconds
        super().__init__(
            f"The run time of {seconds:g} s was over before {what}.", "Allow more time, or look at less with --select."
        )


class CatalogueError(HolystoneError):
    """A check or a repair is named that is not there, or one of the catalogue cannot be loaded."""


class PlanError(HolystoneError):
    """A plan cannot be used: unreadable, altered, or made for another store."""


class JournalError(HolystoneError):
    """The journal cannot be used: no such run, or its tables are missing."""


class RecordError(HolystoneError):
    """An event or a message is none that the engine could have written; `why` says it without naming which."""

    def __init__(self, message: str, why: str | None = None) -> None:
        super().__init__(message, "Look for what wrote it: the engine could neither have written it nor read it.")
        self.why = message if why is None else why


class UnreadableMessageError(RecordError):
    """A row of a queue holds no message that could be handed out; `queue`, `row_id` and `instance_id` name it.

    `instance_id` is None where nothing says it.
    """

    def __init__(self, queue: str, row_id: int, instance_id: str | None, why: str) -> None:
        whose = "" if instance_id is None else f", for {instance_id!r},"
        super().__init__(f"Message {row_id} of {queue}{whose} cannot be handed out: {why}.", why)
        self.next_step = f"Look at work_item in row {row_id} of {queue}; mend it, or delete the row."
        self.queue = queue
        self.row_id = row_id
        self.instance_id = instance_id


class MigrationError(HolystoneError):
    """A revision cannot be run: it would lose rows, or the store is not as the revision needs it."""


class UnknownShapeError(HolystoneError):
    """The engine's tables in the store are none that holystone knows; `differences` are what tells them."""

    def __init__(self, message: str, next_step: str, differences: Sequence[str]) -> None:
        super().__init__(message, next_step)
        self.differences = differences
