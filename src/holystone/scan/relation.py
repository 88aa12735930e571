"""Relations of facts: one select for both flavours, over which checks are predicates."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any, ClassVar, Generic, Protocol

from sqlalchemy import Column, ColumnElement, FromClause, Subquery, Table, func, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.util import ClauseAdapter
from typing_extensions import TypeVar

from holystone.flavours import Flavour
from holystone.scan.range_bounds import range_bounds
from holystone.scan.reader import Reader
from holystone.scan.unread import ODD, Unread, unread
from holystone.store.open_store import OpenStore

INSTANCES_PER_STATEMENT = 2_000
"""Instances in one piece of work where only some are looked at."""
WORTH_CUTTING = 50_000
"""Rows from which on a look is cut into ranges, which connections share out."""
_MOST = 150_000
"""Rows in a range. The fewer ranges, the less often a page of events is read that several executions share; and so many
rows SQLite still sorts in memory."""

_IDS = "instance_ids"
"""The parameter of a statement that is kept for any instances."""

Key = Mapping[str, Any]
"""Primary key of the row that a finding is about: column -> value."""

Conditions = Sequence[ColumnElement[bool]]
"""Conditions on the columns of a relation's table, all of which have to hold."""


class OfInstances(tuple[ColumnElement[bool], ...]):
    """The condition that rows are of these instances, whose ids a statement that is kept takes as a parameter."""

    ids: list[str]

    def __new__(cls, condition: ColumnElement[bool], ids: Sequence[str]) -> "OfInstances":
        made = super().__new__(cls, (condition,))
        made.ids = list(ids)
        return made


class Facts(Protocol):
    """All that is known of one row, and what its neighbours say it should hold."""

    @property
    def key(self) -> Key:
        """The row's primary key, and its instance_id where it has one; empty for the store as a whole."""

    @property
    def evidence(self) -> Mapping[str, Any]:
        """What the expectations rest on, as JSON: a change is made only while it stays the same."""


class Source(Protocol):
    """The rows of a relation as a database sees them: what predicates are written over."""

    flavour: Flavour

    @property
    def rows(self) -> FromClause:
        """What to select from."""

    @property
    def key(self) -> Sequence[ColumnElement[Any]]:
        """The columns of `rows` that tell one row from the others, and in the order of which they come."""

    def output(self) -> Sequence[ColumnElement[Any]]:
        """Return the columns to fetch of each suspect, in the order that `Relation.facts` reads."""


S = TypeVar("S", bound=Source, covariant=True, default=Source)
F = TypeVar("F", bound=Facts, covariant=True, default=Facts)
T = TypeVar("T")
Predicate = Callable[[Any], ColumnElement[bool]]
"""Says of a source which of its rows are suspects."""
Suspect = tuple[list[bool], F | Unread]
"""Which of the predicates a row violates, in their order, and the row's facts."""


def rows_per_range(rows: int, jobs: int) -> int:
    """Return how many rows a range has, so that so many jobs have as much to do."""
    return ceil(rows / max(jobs, ceil(rows / _MOST)))


class Relation(ABC, Generic[S, F]):
    """One kind of row with everything that a check of it may ask."""

    name: ClassVar[str]
    table: ClassVar[Table]
    """The table whose rows the findings are about."""
    needs: ClassVar[Mapping[str, Collection[str]]] = {}
    """Tables and columns that the engine's first versions did not have yet, and the relation cannot do without."""

    follows_acks: ClassVar[bool] = True
    """Whether a row only changes when the engine acks a turn of its instance: others are always looked at."""

    counted: ClassVar[bool] = True
    """Whether its rows are counted before they are looked at, so that they can be cut into ranges and told of."""

    reported: ClassVar[bool] = False
    """Whether a report says how many rows there are: they are counted even where only some instances are asked for."""

    reads_keys: ClassVar[bool] = False
    """Whether it compares the keys of the key-value store, which a prefilter sees set or cleared and does not judge."""

    rows_are_of_table: ClassVar[bool] = False
    """Whether it looks at no row but those of `table`, so that there is nothing to ask where that is empty."""

    of_store: ClassVar[bool] = False
    """Whether its one row is the store as a whole, which is of no instance."""

    asks_at_length: ClassVar[bool] = False
    """Whether its few rows are asked so much that it takes longer to put into words than to answer."""

    dispensable: ClassVar[bool] = False
    """Whether a role may be refused what it looks at: its checks are skipped then, and the others suffice."""

    instance_name: ClassVar[str] = "instance_id"
    """The name of the column of `table` that says of which instance a row is."""

    @property
    def instance_column(self) -> Column[Any]:
        """The column that says of which instance a row is."""
        return self.table.c[self.instance_name]

    @property
    def range_column(self) -> Column[Any]:
        """The column by which the table is cut into ranges: never NULL, indexed; rows of one value stay together."""
        return self.instance_column

    def instance_of(self, key: Key) -> Any:
        """Return the instance that a row with this key is of; None where the key does not say, or there is none."""
        return key.get(self.instance_name)

    def why_not(self, store: OpenStore) -> str | None:
        """Return why a store has nothing for it to look at, as a reason to skip its checks; None where it may have."""
        return None

    @abstractmethod
    def source(self, flavour: Flavour, within: Conditions) -> S:
        """Return the relation's rows, restricted by conditions on the columns of `table`."""

    @abstractmethod
    def facts(self, reader: Reader, row: Any) -> F:
        """Return the facts in a row that was fetched with the source's `output`, and what else they take to know."""

    def of_instances(self, flavour: Flavour, pattern: str) -> Conditions:
        """Return the condition that a row is of an instance whose id matches the pattern.

        None where the rows of an older engine's store do not say of whom they are: then all are looked at.
        """
        if not flavour.has(self.instance_column):
            return []
        return [flavour.matches_glob(self.instance_column, pattern)]

    def precedes_others(self, flavour: Flavour) -> bool:
        """Return whether it has to look before any other relation does, whose reading may change what it looks at."""
        return False

    def total(self, reader: Reader, within: Conditions) -> int:
        """Return how many rows there are to look at."""
        count = select(func.count()).select_from(self.table).where(*within)
        return int(reader.connection.execute(count).scalar_one())

    def satellites(self, reader: Reader, within: Conditions) -> int:
        """Return how many rows it leaves out because what they would be held against is in another database."""
        return 0

    def key_ranges(self, reader: Reader, within: Conditions, rows_per_range: int) -> Iterator[Conditions]:
        """Yield conditions that cut the rows into ranges of about so many rows, in order."""
        after: Any = None
        for up_to in range_bounds(reader, self.range_column, rows_per_range, within):
            yield reader.flavour.key_range(self.range_column, after, up_to)
            after = up_to
        yield reader.flavour.key_range(self.range_column, after, None)

    def key_ranges_of(self, flavour: Flavour, instances: Sequence[str]) -> Iterator[Conditions]:
        """Yield conditions for the rows of these instances, some at a time; for all where rows do not say of whom."""
        if instances and not flavour.has(self.instance_column):
            yield []
            return
        for start in range(0, len(instances), INSTANCES_PER_STATEMENT):
            some = instances[start : start + INSTANCES_PER_STATEMENT]
            yield OfInstances(flavour.among(self.instance_column, some), some)

    def suspects(self, reader: Reader, predicates: Sequence[Predicate], within: Conditions) -> Iterator[Suspect[F]]:
        """Yield the rows that violate any of the predicates.

        One statement for all checks: this is what makes a catalogue cost little more than its dearest check.
        """
        question = self._question(reader, predicates, within)
        values = {_IDS: within.ids} if isinstance(within, OfInstances) else {}
        with reader.connection.execute(question.statement, values) as rows:
            yield from self.answers(reader, question, rows)

    def _question(self, reader: Reader, predicates: Sequence[Predicate], within: Conditions) -> "Question":
        """Return the question, kept where it may be asked again: one takes longer to make than to run."""
        if not within:
            return reader.store.prepared(_question, self, tuple(predicates))
        if isinstance(within, OfInstances):
            return reader.store.prepared(_question_of_instances, self, tuple(predicates))
        return Question(predicates, self.source(reader.flavour, within), asks_at_length=self.asks_at_length)

    def kept(
        self, reader: Reader, within: Conditions, build: Callable[[Flavour, Conditions], T]
    ) -> tuple[T, Mapping[str, Any]]:
        """Return the statement that `build` makes of conditions, kept as questions are, and its parameters."""
        if isinstance(within, OfInstances):
            return reader.store.prepared(_of_instances, self, build), {_IDS: within.ids}
        return build(reader.flavour, within), {}

    def answers(self, reader: Reader, question: "Question", rows: Iterable[Any]) -> Iterator[Suspect[F]]:
        """Yield the suspects in the rows that a question's statement has fetched."""
        for row in rows:
            yield question.answer(row), self.look(reader, row)

    def look(self, reader: Reader, row: Any) -> F | Unread:
        """Return the facts of a row, or that it could not be looked at: one row hides no other."""
        try:
            return self.facts(reader, row)
        except (DBAPIError, *ODD) as error:
            return unread(reader, {c.name: getattr(row, c.name, None) for c in self._named_by}, error)

    @property
    def _named_by(self) -> Sequence[Column[Any]]:
        """The columns by which a row is named: its key, with the instance."""
        return [column for column in self.table.c if column.primary_key or column.name == "instance_id"]


class Question:
    """Which rows of a source violate any of some predicates, and which ones; `also` selects rows without a reason.

    Where it `asks_at_length`, each predicate stands in its statement once, if the database can.
    """

    def __init__(
        self,
        predicates: Sequence[Predicate],
        source: Source,
        also: Sequence[ColumnElement[bool]] = (),
        *,
        asks_at_length: bool = False,
    ) -> None:
        # A predicate stays bare: as a condition SQLite stops at the first part that decides it, but wrapped in a
        # function it would evaluate every part for every row. NULL counts as not violated.
        self._violated = [predicate(source) for predicate in predicates]
        # Checks that suspect the same rows share an expression, which is then asked once.
        distinct = {id(predicate): predicate for predicate in self._violated}
        self._bits = list(distinct)
        bits = [predicate.label(f"violated_{number}") for number, predicate in enumerate(distinct.values())]
        rows, conditions = source.rows, list(distinct.values())
        columns, order = [*bits, *source.output()], list(source.key)
        if asks_at_length and isinstance(rows, Subquery) and source.flavour.asks_once:
            # The offset changes no row, and keeps the answers from being asked for anew in each place.
            rows = select(rows, *bits).offset(0).subquery(rows.name)
            adapter = ClauseAdapter(rows)
            conditions = [rows.c[bit.name] for bit in bits]
            columns = [*conditions, *map(adapter.traverse, source.output())]
            also, order = list(map(adapter.traverse, also)), list(map(adapter.traverse, order))
        self.statement = (
            select(*columns)
            .select_from(rows)
            .where(or_(*also, *conditions))
            .order_by(*map(source.flavour.sort_key, order))
            .execution_options(yield_per=500)
        )

    def answer(self, row: Any) -> list[bool]:
        """Return which of the predicates a fetched row violates, in their order."""
        suspected = dict(zip(self._bits, row[: len(self._bits)], strict=True))
        return [bool(suspected[id(predicate)]) for predicate in self._violated]


def _question(flavour: Flavour, relation: Relation, predicates: Sequence[Predicate]) -> Question:
    return Question(predicates, relation.source(flavour, []), asks_at_length=relation.asks_at_length)


def _question_of_instances(flavour: Flavour, relation: Relation, predicates: Sequence[Predicate]) -> Question:
    def build(flavour: Flavour, within: Conditions) -> Question:
        return Question(predicates, relation.source(flavour, within), asks_at_length=relation.asks_at_length)

    return _of_instances(flavour, relation, build)


def _of_instances(flavour: Flavour, relation: Relation, build: Callable[[Flavour, Conditions], T]) -> T:
    return build(flavour, [flavour.among_given(relation.instance_column, _IDS)])
