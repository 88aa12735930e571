"""What can go wrong through no fault of the program: one sentence each, and what to do next."""


class HolystoneError(Exception):
    """An error that a user can cause or mend.

    `message` is one sentence that names the cause or the harm; `next_step` is what to type or to do
    about it. The command line prints both on stderr and exits with 2. Neither ever holds a password.
    """

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class TargetError(HolystoneError):
    """The target names nothing that could be a store: no such file, unknown dialect, no server."""


class NotAStoreError(HolystoneError):
    """There is a database, and it is not a duroxide store, or only half of one."""


class StoreUnavailableError(HolystoneError):
    """The store cannot be read or written now: locked, no permission, damaged, disconnected."""


class StoreChangedError(StoreUnavailableError):
    """A writer came while the store was read without locks, so what was read is not to be relied on."""


class TurnError(HolystoneError):
    """A turn or an activity cannot be written; nothing of it was."""


class LockLostError(TurnError):
    """The lock has expired, was taken over, or never was."""


class InvalidTurnError(TurnError):
    """What the caller wants to write contradicts itself or the store."""


class ExecutionEndedError(TurnError):
    """The execution has ended; a terminal event is its last word."""


class CatalogueError(HolystoneError):
    """A check or a repair is named that is not there, or one of the catalogue cannot be loaded."""


class PlanError(HolystoneError):
    """A plan cannot be used: unreadable, altered, or made for another store."""


class JournalError(HolystoneError):
    """The journal cannot be used: no such run, or its tables are missing."""


class RecordError(HolystoneError):
    """An event or a message is none that the engine could have written."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "Look for what wrote it: the engine could neither have written it nor read it.")


class MigrationError(HolystoneError):
    """A revision cannot be run: it would lose rows, or the store is not as the revision needs it."""
