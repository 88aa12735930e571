"""Object facts: what a store has besides rows and is not as the engine's statements need it, object by object."""

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from holystone.flavours import Flavour
from holystone.flavours.structure import Objects
from holystone.scan.compared import Compared
from holystone.scan.reader import Reader
from holystone.scan.relation import Facts, Key
from holystone.scan.relations.whole_store import StoreFacts, WholeStore
from holystone.store.toolkit import metadata

STATE = "state"


class ObjectFacts(StoreFacts, frozen=True):
    """An object of a kind, such as `trigger audit on history`: what of it matters, and what that should be."""

    kind: str
    name: str
    state: str
    wanted: str = "none"
    cause: str | None = None

    @property
    def key(self) -> Key:
        return {"object": self.name}

    @property
    def name_and_state(self) -> Sequence[Compared[str]]:
        """Its name, which is called by its kind, and its state."""
        return [Compared(self.kind, self.name, self.name), Compared(STATE, self.state, self.wanted)]


def object_of(kind: str) -> Callable[[Facts], Sequence[Compared[str]]]:
    """For `expects`: what an object of this kind should be; nothing of other facts of the same relation."""
    return lambda facts: facts.name_and_state if isinstance(facts, ObjectFacts) and facts.kind == kind else []


class StoreObjects(WholeStore[ObjectFacts]):
    """A relation of such objects, all of one kind; there is a suspect for each that is not as it should be."""

    kind: ClassVar[str]

    @abstractmethod
    def objects(self, reader: Reader) -> Objects:
        """Return the objects that are not as they should be, and what of each is not."""

    def found(self, reader: Reader) -> Iterable[ObjectFacts]:
        return [ObjectFacts(self.kind, name, state) for name, state in self.objects(reader).items()]


class Interference(StoreObjects):
    """What others have put on the tables that the engine, or a repair, writes to."""

    name = "interference"
    kind = "object"

    def objects(self, reader: Reader) -> Objects:
        return reader.flavour.structure.interference(reader.connection, reader.store.columns.keys() & _tables(reader))


class Sequences(StoreObjects):
    name = "sequences"
    dispensable = True  # to read all tables is enough for a check
    kind = "sequence"

    def objects(self, reader: Reader) -> Objects:
        return reader.flavour.structure.sequences(reader.connection)


class Indexes(StoreObjects):
    name = "indexes"
    kind = "index"

    def objects(self, reader: Reader) -> Objects:
        return reader.flavour.structure.unusable_indexes(reader.connection, reader.flavour.structure.lineage.tables)


def _tables(reader: Reader) -> set[str]:
    return {*reader.flavour.structure.lineage.tables, reader.flavour.ledger.name, *metadata.tables}


class Damages(StoreObjects):
    """What is damaged of the database itself, which takes about as long as to read all of it, and is told apart."""

    name = "damages"
    kind = "damaged"

    def precedes_others(self, flavour: Flavour) -> bool:
        return flavour.readers_change_indexes

    def objects(self, reader: Reader) -> Objects:
        if self.name in reader.ahead:
            return reader.ahead[self.name]
        structure, begun = reader.flavour.structure, time.monotonic()
        try:
            return structure.damages(reader.connection, structure.lineage.tables)
        finally:
            reader.took[self.name] = time.monotonic() - begun


INTERFERENCE = Interference()
SEQUENCES = Sequences()
INDEXES = Indexes()
DAMAGES = Damages()
