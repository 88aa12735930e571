"""The verdict, as a model: JSON, its schema and the text come from it. Fields may be added, never changed."""

from datetime import date
from typing import Any

from msgspec import Struct, to_builtins
from msgspec.json import schema

from holystone.json_schema import published


class RuleResult(Struct, kw_only=True):
    """How one rule fared.

    `outcome` is pass, refused, noted (found, below --fail-on), waived, unseen (it could not look) or not-asked. `found`
    are sentences; `count` is how many there are, of which `found` has the first ones. `reason` is that of a waiver, or
    why it could not look or was not asked; `until` is a waiver's last day.
    """

    id: str
    name: str
    severity: str
    outcome: str
    count: int
    found: list[str]
    reason: str | None
    until: date | None
    next_step: str | None


class TableChange(Struct, kw_only=True):
    """What a migration does to a table.

    `lock` keeps others from it meanwhile: none, writers or everybody. `rows` is how many rows are read or written anew
    for it, 0 where the catalogue alone changes, and `seconds` how long that may take.
    """

    table: str
    what: str
    lock: str
    rows: int
    seconds: float


class Migration(Struct, kw_only=True):
    """A migration of the engine's that the version will run when it opens the store."""

    version: int
    description: str
    changes: list[TableChange]


class Deployment(Struct, kw_only=True):
    """What will happen to the store when the version opens it.

    `opens` is whether it opens it as its own. `old_engine_may_run` is whether the engine that has the store now may
    go on meanwhile, and `because` why not. `basis` is what the seconds rest on.
    """

    version: str
    core: str
    last_migration: int
    opens: bool
    migrations: list[Migration]
    seconds: float
    basis: str
    old_engine_may_run: bool
    because: list[str]


class GateReport(Struct, kw_only=True):
    """The verdict on a store: pass, refused, or incomplete, where a rule could not see."""

    schema: int
    target: str
    store_schema: str | None
    flavour: str
    identity: str
    engine_migration: str | None
    toolkit_revision: str | None
    verdict: str
    rules: list[RuleResult]
    deployment: Deployment | None

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as the JSON object that `gate --format json` prints."""
        document: dict[str, Any] = to_builtins(self)
        return document


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a verdict."""
    return published(schema(GateReport))
