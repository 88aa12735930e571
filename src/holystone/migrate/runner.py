"""Alembic, as the rest of the package uses it; imported when it is first needed."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from sqlalchemy import Connection
from sqlalchemy.exc import CompileError

from holystone.errors import MigrationError
from holystone.flavours import Flavour
from holystone.store.toolkit import TOOLKIT, versions

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import Script

_REVISION = re.compile(r"(?P<branch>\w+)@.+|(?P<letter>[a-z])\d{4}")


def branch_of(flavour: Flavour, revision: str) -> str:
    """Return the branch that a revision such as `t0001` or `store@head` is in.

    MigrationError where that is neither holystone's own nor the one of the engine's tables in stores of the flavour.
    """
    branches = (TOOLKIT, flavour.structure.branch)
    found = _REVISION.fullmatch(revision)
    for branch in branches:
        if found and (found["branch"] == branch or found["letter"] == branch[0]):
            return branch
    raise MigrationError(
        f"{revision!r} is no revision for a store of this flavour: its branches are {' and '.join(branches)}.",
        f"Name a revision such as {TOOLKIT}@head; the engine makes and migrates its tables itself.",
    )


def path_up(current: str | None, to: str) -> Sequence["Script"]:
    """Return the revisions above `current`, None for none, up to `to`, in the order in which they are run.

    None at all where the store is at `to` or above it.
    """
    path = _between(to, "base")[::-1]
    below = [script.revision for script in path]
    if current is None:
        return path
    if current in below:
        return path[below.index(current) + 1 :]
    beyond = {script.revision for script in _between(current, "base")}
    return [] if beyond.issuperset(below) else _between(to, current)[::-1]


def path_down(current: str, to: str) -> Sequence["Script"]:
    """Return the revisions from `current` down to the one above `to`, in the order in which they are taken back."""
    return _between(current, to)


def _between(upper: str, lower: str) -> list["Script"]:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_configuration())
    with _explained():
        return [one for one in scripts.iterate_revisions(upper, lower) if one is not None]


def revision_of_engine(branch: str, version: int | None) -> str:
    """Return the newest revision of the engine's tables that a migration of the engine's own has behind it.

    MigrationError where there is none, as where the engine made the tables without its ledger.
    """
    for script in _between(f"{branch}@head", "base"):
        if version is not None and script.module.ENGINE.version <= version:
            return script.revision
    raise MigrationError(
        "The engine's ledger has no migration, so no revision goes on from there.",
        "Leave the engine's tables to the engine.",
    )


def mark(flavour: Flavour, connection: Connection, revision: str) -> None:
    """Write down that the store is at a revision of the engine's tables, which the engine itself has made."""
    from alembic import command

    with _explained():
        command.stamp(_configuration(flavour, connection, one_transaction=connection.in_transaction()), revision)


def run_up(flavour: Flavour, connection: Connection, to: str) -> None:
    """Run the revisions up to `to`: in the connection's transaction, else each in one of its own."""
    from alembic import command

    with _explained():
        command.upgrade(_configuration(flavour, connection, one_transaction=connection.in_transaction()), to)


def run_down(flavour: Flavour, connection: Connection, to: str) -> None:
    """Take the revisions above `to` back, in the same way."""
    from alembic import command

    with _explained():
        command.downgrade(_configuration(flavour, connection, one_transaction=connection.in_transaction()), to)


def write_up(flavour: Flavour, out: TextIO, current: str | None, to: str, *, one_transaction: bool) -> None:
    """Write the statements of the revisions above `current`, None for none, up to `to`."""
    from alembic import command

    configuration = _configuration(flavour, None, one_transaction=one_transaction)
    configuration.output_buffer = out
    with _explained():
        command.upgrade(configuration, f"{current or 'base'}:{to}", sql=True)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what Alembic says of a revision that it cannot find or reach into an error of holystone's own."""
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError

    try:
        yield
    except (CommandError, RevisionError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise MigrationError(
            f"The revision cannot be found or reached from where the store stands: {said}.",
            "`holystone migrate status TARGET` lists those that this version has; a newer one may have others.",
        ) from None
    except CompileError as error:
        # SQLAlchemy takes no square brackets in the name of a schema that it puts into statements of others.
        raise MigrationError(f"The statements cannot be made: {error}.", "Rename the schema first.") from None


def _configuration(
    flavour: Flavour | None = None, connection: Connection | None = None, *, one_transaction: bool = True
) -> "Config":
    from alembic.config import Config

    configuration = Config()
    # The colon makes it a package, which an editable install maps to the top of the repository.
    configuration.set_main_option("script_location", "holystone.migrations:")
    configuration.attributes.update(
        flavour=flavour, connection=connection, version_table=versions.name, one_transaction=one_transaction
    )
    return configuration
