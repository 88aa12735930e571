"""Recognising the shape of a store: which of the engine's schemas it has, told by its structure alone."""

from collections.abc import Iterator, Sequence

from msgspec import Struct, field
from sqlalchemy import Connection

from holystone.errors import UnknownShapeError
from holystone.flavours.lineage import Facts, Lineage
from holystone.flavours.structure import OURS, Functions, LedgerEntry
from holystone.store.open_store import OpenStore

_UNKNOWN = "unknown, nearest to "
_INDEX = "index "
_NO_FUNCTIONS = Functions((), {}, {})


class Shape(Struct, frozen=True):
    """What the engine's tables in a store look like.

    `name` is `migrated (engine migration N)`, or `fallback` for what the SQLite engine makes by hand when one of its
    migrations fails, or says which of these an unknown shape comes nearest to. `differences` from that one, each
    a sentence about the store without its end, are what makes a shape unknown; those of `ledger` are about the engine's
    ledger, and say that a migration is missing, failed or was another one. `additions` are others' tables,
    triggers and indexes. `is_newer` where the engine's ledger goes on after the last migration that this version of
    holystone knows. `functions` is what is wrong with those that are there.
    """

    name: str
    known: bool
    differences: Sequence[str]
    additions: Sequence[str]
    is_newer: bool
    functions: Functions = field(default=_NO_FUNCTIONS)
    ledger: Sequence[str] = ()

    @property
    def faults(self) -> Sequence[str]:
        """The differences, and what is wrong with functions: all that makes a shape unknown, or a newer one new."""
        return [
            *self.differences,
            *(f"its functions name the schema {schema}, not its own" for schema in self.functions.elsewhere),
            *(f"its function {function} {fault}" for function, fault in self.functions.altered.items()),
        ]

    @property
    def nearest(self) -> str:
        """The known shape that it is, or comes nearest to."""
        return self.name.removeprefix(_UNKNOWN)


class _Candidate(Struct, frozen=True):
    """A shape to compare with; `version` is the migration that it comes from, None where none leads to it."""

    name: str
    version: int | None
    facts: Facts


def recognise(store: OpenStore, connection: Connection) -> Shape:
    """Return the shape of a store, read through `connection`: in some milliseconds, and without a lock."""
    structure = store.flavour.structure
    lineage = structure.lineage
    facts = structure.facts(connection, lineage.tables)
    entries = structure.ledger(connection)
    newest = entries[-1].version if entries else None
    # Of shapes that are equally near, and many migrations change functions alone, the one that the ledger names.
    nearest = min(_candidates(lineage), key=lambda one: (_distance(one.facts, facts), one.version != newest))
    differences = list(_differences(nearest.facts, facts))
    is_newer = newest is not None and newest > lineage.versions[-1]
    functions = _NO_FUNCTIONS
    of_ledger: tuple[str, ...] = ()
    if nearest.version is not None:
        of_ledger = tuple(_faults(lineage, entries, nearest.version))
        differences = [*of_ledger, *differences]
        version = newest if newest in lineage.versions else nearest.version
        functions = structure.functions(connection, None if is_newer else version)
        differences += [f"it lacks the function {signature}" for signature in functions.missing]
    others = structure.additions(connection, {*lineage.tables, store.flavour.ledger.name})
    known = not differences and not functions.altered and not functions.elsewhere
    return Shape(
        nearest.name if known else f"{_UNKNOWN}{nearest.name}",
        known,
        differences,
        [*_added_indexes(nearest.facts, facts), *(name for name in others if not name.startswith(f"table {OURS}"))],
        is_newer,
        functions,
        of_ledger,
    )


def require_known(store: OpenStore, shape: Shape) -> None:
    """Raise UnknownShapeError where the shape is unknown."""
    if shape.known:
        return
    newer = "Use a newer version of holystone, which knows them."
    raise UnknownShapeError(
        f"The engine's tables in {store.target} are none that holystone knows: {shape.name}.",
        newer
        if shape.is_newer
        else "Undo what was changed by hand, or restore the schema from a backup; then adopt the store.",
        shape.faults,
    )


def _candidates(lineage: Lineage) -> Iterator[_Candidate]:
    for level in (*lineage.levels, *lineage.variants):
        yield _Candidate(f"migrated (engine migration {level.version})", level.version, level.facts)
    for name, facts in lineage.others.items():
        yield _Candidate(name, None, facts)


def _distance(expected: Facts, found: Facts) -> int:
    """Return how many differences there are."""
    return len(expected.items() - found.items()) + sum(
        not name.startswith(_INDEX) for name in found.keys() - expected.keys()
    )


def _differences(expected: Facts, found: Facts) -> Iterator[str]:
    for name, what in expected.items():
        if name not in found:
            yield f"it lacks the {_described(name, what)}"
        elif found[name] != what:
            yield f"its {name} is {found[name]!r}, not {what!r}"
    for name, what in found.items():
        if name not in expected and not name.startswith(_INDEX):
            yield f"it has the {_described(name, what)}, which the engine's has not"


def _added_indexes(expected: Facts, found: Facts) -> Iterator[str]:
    for name, what in found.items():
        if name.startswith(_INDEX) and name not in expected and not name.startswith(f"{_INDEX}{OURS}"):
            yield _described(name, what)


def _faults(lineage: Lineage, entries: Sequence[LedgerEntry] | None, version: int) -> Iterator[str]:
    """Yield what is wrong with the engine's ledger in a store whose tables are those of a migration."""
    if not entries:
        yield "it has no ledger of the engine's migrations" if entries is None else "its ledger is empty"
        return
    last, newest = lineage.versions[-1], entries[-1].version
    listed = {entry.version for entry in entries}
    for entry in entries:
        if entry.fault is not None:
            yield f"migration {entry.version} {entry.fault} in its ledger"
        elif entry.version not in lineage.versions and entry.version < last:
            yield f"migration {entry.version} of its ledger is none that holystone knows"
    for level in lineage.levels:
        if level.version < newest and level.version not in listed:
            yield f"its ledger lacks migration {level.version} ({level.description})"
    if newest > last:
        yield f"its ledger ends at migration {newest}, after {last}, the last that holystone knows"
    elif newest in lineage.versions and newest != version:
        yield f"its ledger ends at migration {newest}, but its tables are those of migration {version}"


def _described(name: str, what: str) -> str:
    return f"{name} {what}" if what else name
