"""Schema facts: which of the engine's schemas the store has, told by its structure and the engine's own ledger."""

from collections.abc import Iterator

from holystone.scan.compared import Compared
from holystone.scan.reader import Reader
from holystone.scan.relations.objects import ObjectFacts
from holystone.scan.relations.whole_store import StoreFacts, WholeStore
from holystone.store.shape import Shape, recognise

LISTED = 3
"""Differences that a finding names; `migrate status` lists them all."""
SCHEMA_NAMED, FUNCTION, LEDGER = "schema_named", "function", "ledger"
"""Kinds of objects, beside the schema itself, of which these facts tell."""


class SchemaFacts(StoreFacts, frozen=True):
    """What the engine's tables look like."""

    shape: Shape

    @property
    def schema(self) -> Compared[str]:
        # What a newer engine's schema should be, this version does not know.
        return Compared("schema", self._in_words, self.shape.nearest, decided=not self.shape.is_newer)

    @property
    def _in_words(self) -> str:
        if not self.shape.differences:
            return self.shape.nearest
        more = len(self.shape.differences) - LISTED
        named = "; ".join(self.shape.differences[:LISTED])
        return f"{named}; and {more:,} more" if more > 0 else named


class Schemas(WholeStore[SchemaFacts | ObjectFacts]):
    name = "schema"

    def found(self, reader: Reader) -> Iterator[SchemaFacts | ObjectFacts]:
        shape, structure = recognise(reader.store, reader.connection), reader.flavour.structure
        yield SchemaFacts(shape)
        if shape.is_newer:
            last = structure.lineage.versions[-1]
            ledger = reader.flavour.ledger.name
            yield ObjectFacts(LEDGER, ledger, f"goes on after migration {last}", f"ends at {last} or before")
        for schema, number in shape.functions.elsewhere.items():
            cause = "schema-renamed" if schema in shape.functions.gone else "schema-copied"
            yield ObjectFacts(SCHEMA_NAMED, schema, f"named by {number} functions", "named by none", cause)
        for function, fault in shape.functions.altered.items():
            yield ObjectFacts(FUNCTION, function, fault, "is the engine's own")


SCHEMA = Schemas()
