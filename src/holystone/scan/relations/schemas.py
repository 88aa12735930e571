"""Schema facts: which of the engine's schemas the store has, told by its structure and the engine's own ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holystone.scan.reader import Reader
from holystone.scan.relation import Key
from holystone.scan.relations.whole_store import WholeStore
from holystone.store.shape import Shape, recognise

LISTED = 3
"""Differences that a finding names; `migrate status` lists them all."""


@dataclass(frozen=True)
class SchemaFacts:
    """What the engine's tables look like."""

    shape: Shape

    @property
    def key(self) -> Key:
        return {}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {}

    def observed(self, column: str) -> Any:
        if self.shape.known:
            return self.shape.name
        more = len(self.shape.differences) - LISTED
        named = "; ".join(self.shape.differences[:LISTED])
        return f"{named}; and {more:,} more" if more > 0 else named

    def decided(self, column: str) -> bool:
        return column == "schema"

    def expected(self, column: str) -> Any:
        return self.shape.nearest


class Schemas(WholeStore[SchemaFacts]):
    name = "schema"

    def facts(self, reader: Reader, row: Any) -> SchemaFacts:
        return SchemaFacts(recognise(reader.store, reader.connection))


SCHEMA = Schemas()
