"""Execution facts: the row, the event that ended it, and what that event demands of the row."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement

from holystone.duroxide.event import parse_event
from holystone.duroxide.event_types import CONTINUED_AS_NEW, EVENT_TYPES, STATUSES, TERMINAL
from holystone.duroxide.outcome import STILL_RUNNING, Outcome, terminal_outcome
from holystone.duroxide.release import Rule
from holystone.duroxide.releases import is_newer, since
from holystone.duroxide.tables import executions
from holystone.flavours import Flavour
from holystone.scan.compared import Compared, presence
from holystone.scan.digest import digest_of
from holystone.scan.reader import EventRow, Reader
from holystone.scan.relation import Key, Relation
from holystone.scan.relations.continuations import ChainEnd, chain_end
from holystone.scan.relations.decode import outcome_of
from holystone.scan.relations.execution_source import ExecutionSource
from holystone.scan.relations.running_executions import would_be_stuck
from holystone.scan.relations.upgrades import has_met


class ExecutionFacts(Struct, frozen=True):
    """One execution; `row` has the columns that are copies of its events.

    `outcome` is None where its history cannot be read, so that nothing is decided.

    `chain_end` is there for the last execution of an instance that has continued as new. `end_may_be_lost` is whether
    the row has an end that the history has not, and nothing could take the execution on if it ran.
    """

    flavour: Flavour
    instance_id: str
    execution_id: int
    row: Mapping[str, Any]
    completed_at_well_formed: bool
    outcome: Outcome | None
    last_event_id: int | None
    last_event_digest: str | None
    instance_exists: bool
    settled: bool
    followed: bool
    chain_end: ChainEnd | None
    end_may_be_lost: bool

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id, "execution_id": self.execution_id}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"last_event_id": self.last_event_id, "last_event_sha256": self.last_event_digest}

    @property
    def has_history(self) -> bool:
        return self.last_event_id is not None

    @property
    def is_ghost(self) -> bool:
        """Nothing but the row is there, and nothing is on its way."""
        return not self.instance_exists and not self.has_history and self.settled

    @property
    def status(self) -> Compared[Any]:
        return self._copied("status", None if self.outcome is None else self.outcome.status)

    @property
    def output(self) -> Compared[Any]:
        return self._copied("output", None if self.outcome is None else self.outcome.output)

    @property
    def completed_at(self) -> Compared[Any]:
        return self._copied("completed_at", None if self.outcome is None else self._ended_at(self.outcome))

    @property
    def history(self) -> Compared[str]:
        return presence("history", self.has_history)

    @property
    def instance(self) -> Compared[str]:
        return presence("instance", self.instance_exists)

    @property
    def ending(self) -> Compared[str | None]:
        """How it came to its end, of an execution that later ones follow."""
        ending = None if self.outcome is None else self.outcome.status
        return Compared("ending", ending, CONTINUED_AS_NEW, decided=self.followed and ending is not None)

    @property
    def continuation(self) -> Compared[str]:
        """The message that begins the next execution."""
        is_queued = self.chain_end is not None and self.chain_end.queued
        return presence("continuation", is_queued, decided=self.chain_end is not None)

    def _copied(self, column: str, expected: Any) -> Compared[Any]:
        return Compared(column, self.row[column], expected, decided=self.outcome is not None)

    def _ended_at(self, outcome: Outcome) -> Any:
        if outcome.ended_at_ms is None or outcome.status not in self.flavour.statuses_with_completed_at:
            return None
        # The engine takes the time at ack, a little after the event's; what it wrote is kept.
        if self.row["completed_at"] is not None and self.completed_at_well_formed:
            return self.row["completed_at"]
        return self.flavour.completed_at(outcome.ended_at_ms)


class Executions(Relation[ExecutionSource, ExecutionFacts]):
    name = "executions"
    table = executions
    reported = True

    def source(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> ExecutionSource:
        return ExecutionSource(flavour, within)

    def outcome(self, reader: Reader, row: Any) -> Outcome | None:
        """Return what the history says of an execution, None where nothing in it can be relied on."""
        return _told(reader, row)[0]

    def facts(self, reader: Reader, row: Any) -> ExecutionFacts:
        outcome, digest = _told(reader, row)
        end = None
        if outcome is not None and outcome.status == CONTINUED_AS_NEW and row.is_current and not row.followed:
            assert outcome.ended_at_ms is not None
            end = chain_end(reader, row.instance_id, row.execution_id, outcome.ended_at_ms)
        return ExecutionFacts(
            flavour=reader.flavour,
            instance_id=row.instance_id,
            execution_id=row.execution_id,
            row={
                "status": row.status,
                "output": reader.output(row.instance_id, row.execution_id) if row.has_long_output else row.output,
                "completed_at": row.completed_at,
            },
            completed_at_well_formed=bool(row.well_formed) or not _counts_ms(reader),
            outcome=outcome,
            last_event_id=row.last_event_id,
            last_event_digest=digest,
            instance_exists=bool(row.instance_exists),
            settled=row.last_event_id is None and not row.awaited and reader.is_settled(row.started_at),
            followed=bool(row.followed),
            chain_end=end,
            end_may_be_lost=outcome is STILL_RUNNING
            and bool(row.is_current)
            and row.status in TERMINAL.values()
            and would_be_stuck(reader, row.instance_id, row.execution_id),
        )


def _counts_ms(reader: Reader) -> bool:
    """Return whether the engine that uses the store takes completed_at for ms: earlier ones wrote, and left, text."""
    return has_met(reader, since(Rule.completed_at_in_ms))


def _told(reader: Reader, row: Any) -> tuple[Outcome | None, str | None]:
    """Return what the history says, None where it says nothing that can be relied on; and its last event's digest.

    A history with an event that cannot be read decides only where its last event is terminal: older
    engines failed such an execution without any event, and the unreadable one may have been the end. A status that is
    unknown here, in a history that a newer engine wrote to, may be right.
    """
    if row.last_event_id is None:
        return None, None
    text = row.last_data
    if text is None:
        text = reader.event_text(row.instance_id, row.execution_id, row.last_event_id)
    if text is None:
        return None, None
    digest = digest_of(text)
    end = parse_event(text)
    del text  # either can be as long as a database takes one
    is_last = end is not None and end["type"] in TERMINAL
    if not is_last or row.status not in STATUSES:
        rows = reader.history(row.instance_id, row.execution_id)
        if row.status not in STATUSES and not all(map(_is_of_known_engine, rows)):
            return None, digest
        if not is_last:
            return outcome_of(rows), digest
    assert end is not None
    return terminal_outcome(end), digest


def _is_of_known_engine(row: EventRow) -> bool:
    return row.type in EVENT_TYPES and row.event is not None and not is_newer(row.event["duroxide_version"])


EXECUTIONS = Executions()
