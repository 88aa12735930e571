"""What an error of PostgreSQL, or of its driver, is to a user: one sentence, and what to do next.

The states are those of the manual's appendix "PostgreSQL Error Codes".
"""

from collections.abc import Callable

from sqlalchemy.exc import DataError, DBAPIError

from holystone.errors import StoreUnavailableError
from holystone.flavours.postgresql import ends
from holystone.flavours.postgresql.pipeline import MAY_BE_COMMITTED
from holystone.flavours.target import Target

_ENDED = ("57P01", "57P02", "57P05", "25P03", "25P04")
"""States with which the server ends a connection: shut down, killed, or idle or at work for too long."""
NOT_LOCKED = ("55P03", "40P01")
"""States of a statement that did not get a lock: in time, or for two wanted what the other had."""
_CONFLICT = "40001"
"""State of a reader on a standby that keeps it from following its primary, and of whatever a trigger says has it."""
_OF_CONFLICT = "postgres.c", "conflict with recovery"
"""Where the server ends such a reader, which is told in any language, and what it says where that is not passed on."""
_NO_PERMISSION = "42501"
_ONLY_READS = "25006"
_GIVEN_UP = "57014"
_UNREACHABLE = ("08", "57P", "3D", "53")
"""How the states begin of a server, or a database, that is not there, or lets nobody in."""

_SEE_SERVER = "See that the server runs, and run the command again."
_NOT_SO_LONG = (
    "Run it again, or on the primary; max_standby_streaming_delay of the standby says how long it lets readers read."
)


def translated(
    error: DBAPIError, target: Target, *, is_limited: bool, in_the_way: Callable[[], str | None]
) -> StoreUnavailableError:
    """Return what to tell the user of a target; never a password of it.

    `is_limited` is whether statements have a time to end in, and `in_the_way` says who has locked a table, if anybody.
    """
    cause = ends.first(error.orig or error)
    state = getattr(cause, "sqlstate", None) or ""
    diagnosed = getattr(cause, "diag", None)
    # Where in the statement it was refused, which follows, tells nobody anything.
    text = (diagnosed.message_primary if diagnosed is not None and state == _NO_PERMISSION else None) or str(cause)
    said = target.without_secrets(" ".join(text.split())).rstrip(".?")
    is_unknown = MAY_BE_COMMITTED in getattr(error.orig, "__notes__", ())
    besides = f"; {MAY_BE_COMMITTED}" if is_unknown else ""
    said += besides
    if isinstance(error, ends.ConnectionLostError) or state.startswith(_ENDED):
        next_step = _NOT_SO_LONG if _is_conflict(cause) else _SEE_SERVER
        return StoreUnavailableError(
            f"{target} ended the connection: {_last_words(error, target)}{besides}.", next_step
        )
    if state == _NO_PERMISSION:
        return _denied(said)
    if "no password supplied" in said or "FATAL:" in said:
        return _let_nobody_in(target, said)
    if state in NOT_LOCKED:
        return _not_locked(target, said, in_the_way())
    if state == "" and isinstance(error, DataError):  # psycopg does not even send it
        return StoreUnavailableError(f"PostgreSQL cannot hold a value: {said}.", "Repair the row by hand.")
    if state == "" or state.startswith(_UNREACHABLE):
        next_step = "See that the server runs and that the URL is right."
        return StoreUnavailableError(f"{target} cannot be reached: {said}.", next_step)
    if _is_conflict(cause):
        return StoreUnavailableError(f"{target} gave a statement up: {said}.", _NOT_SO_LONG)
    return _failed(target, state, said, is_limited=is_limited)


def _is_conflict(error: BaseException) -> bool:
    """Return whether a standby has ended a reader that it could not wait for any more."""
    if getattr(error, "sqlstate", None) != _CONFLICT:
        return False
    file, words = _OF_CONFLICT
    return getattr(getattr(error, "diag", None), "source_file", None) == file or words in str(error)


def _last_words(error: DBAPIError, target: Target) -> str:
    """Return what the server said when it ended the connection, and what became of that."""
    words = target.without_secrets(ends.last_words(ends.first(error.orig or error))).rstrip(".")
    last = target.without_secrets(ends.last_words(error.orig)).rstrip(".")
    if last and last != words and "connection is closed" not in last:
        return f"{last}; before that it said: {words}"
    return words


def _denied(said: str) -> StoreUnavailableError:
    if "row-level security" in said:
        return StoreUnavailableError(
            f"Rows may be hidden from the role: {said}.",
            "Run the command as a role with BYPASSRLS, or as one that no policy is for.",
        )
    next_step = "Grant the role USAGE on the schema, SELECT on its tables, and for repairs UPDATE, INSERT and CREATE."
    if "must be owner" in said:
        next_step = "Run the command as the role that owns the engine's tables."
    return StoreUnavailableError(f"The role has no permission: {said}.", next_step)


def _let_nobody_in(target: Target, said: str) -> StoreUnavailableError:
    """Return what to tell where no connection was made, of which libpq tells no state."""
    if "no password supplied" in said:  # libpq says so before it asks the server
        return StoreUnavailableError(
            f"{target} asks for a password, and none is given.",
            "Put it in ~/.pgpass or PGPASSWORD, which no list of processes shows, and run the command again.",
        )
    words = said.rpartition("FATAL:")[2].strip()
    if "the database system is" in words:  # starting up, shutting down, in recovery
        return StoreUnavailableError(f"{target} cannot be reached: {words}.", _SEE_SERVER)
    return StoreUnavailableError(
        f"{target} refused the connection: {words}.",
        "Mend user, password, database or the server's pg_hba.conf, and run the command again.",
    )


def _not_locked(target: Target, said: str, holder: str | None) -> StoreUnavailableError:
    next_step = "Run the command again when the store is quieter."
    if holder is not None:
        said, next_step = f"{said}; {holder} has locked a table", "Run the command again when it is done."
    return StoreUnavailableError(f"{target} did not get a lock in time: {said}.", next_step)


def _failed(target: Target, state: str, said: str, *, is_limited: bool) -> StoreUnavailableError:
    """Return what to tell of a statement that the server has begun, and not ended."""
    if state == _GIVEN_UP:
        next_step = "Allow more time, or read less with --level quick." if is_limited else "Run it again."
        return StoreUnavailableError(f"{target} gave a statement up: {said}.", next_step)
    if state == _ONLY_READS:
        next_step = "Run the command on the primary, as a role without default_transaction_read_only."
        return StoreUnavailableError(f"{target} only reads: {said}.", next_step)
    next_step = "Mend the cause and run the command again."
    return StoreUnavailableError(f"PostgreSQL could not do it ({state}): {said}.", next_step)
