"""What a flavour has to answer for: everything that SQLite and PostgreSQL stores do differently."""

from abc import abstractmethod
from typing import ClassVar

from sqlalchemy import Connection, Table, func, select

from holystone.flavours.connector import Columns, Connector
from holystone.flavours.expressions import Expressions
from holystone.flavours.structure import Structure


class Flavour(Connector, Expressions):
    """One kind of store, opened at one target."""

    name: ClassVar[str]

    ledger: ClassVar[Table]
    """The engine's own migration table."""

    ledger_birth: ClassVar[str]
    """The column of it that differs from one store to the next, even for the same migrations."""

    readers_change_indexes: ClassVar[bool] = False
    """Whether whoever follows an index to a row that is gone has the index forget it, and so what had become of it."""

    messages_carry_expiry: ClassVar[bool]
    """Whether a fetched message is stamped with the lock's expiry as well as with its token."""

    dead_messages_halt: ClassVar[bool]
    """Whether a message for an instance that does not exist keeps dispatchers from all that come after it."""

    halted_by_unreadable: ClassVar[frozenset[str]]
    """The queues from which nothing is fetched any more once a row of them is one that the database or the engine
    cannot decode."""

    turns_update_instances: ClassVar[bool]
    """Whether each turn sets its instance's updated_at."""

    queue_order: ClassVar[tuple[str, ...]]
    """The columns of orchestrator_queue by which the engine chooses the message whose instance is next."""

    statuses_with_completed_at: ClassVar[frozenset[str]]
    """The statuses whose executions the engine gives a completed_at."""

    @property
    @abstractmethod
    def structure(self) -> Structure:
        """Return what reads, recognises and changes the structure of the store."""

    def now_ms(self, connection: Connection) -> int:
        """Return the time by the database's clock, in ms since the epoch.

        On SQLite that is the clock of the engine's times, for both are on one machine. On PostgreSQL each process of
        the engine sends times of its own clock (but for the locks of turns since migration 25, which never begin before
        the database's time): they are apart from these as the clocks of the machines are.
        """
        return int(connection.execute(select(self.times.clock_ms)).scalar_one())

    def identity_parts(self, connection: Connection, columns: Columns) -> list[str]:
        """Return what tells this store from others: the moments at which its schema was made.

        They are a store's only facts that neither the engine nor a repair ever changes. A copy of a store
        has the same identity; the guards of each change tell the rest.
        """
        if self.ledger.name in columns:
            birth = self.ledger.c[self.ledger_birth]
            rows = connection.execute(select(self.ledger.c.version, birth).order_by(self.ledger.c.version)).all()
            if rows:
                return [f"{version} {self.to_json(moment)}" for version, moment in rows]
        return [str(self.target), str(self.target.schema)]

    def engine_migration(self, connection: Connection, columns: Columns) -> str | None:
        """Return the newest migration of the engine that the store has, None where it keeps no ledger."""
        if self.ledger.name not in columns:
            return None
        newest = connection.execute(select(func.max(self.ledger.c.version))).scalar_one()
        return None if newest is None else str(newest)
