"""Executions as they are listed: what their rows say beside what their histories say."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import and_, or_, select

from holystone.duroxide.tables import executions
from holystone.scan.long_texts import is_long, unless_long
from holystone.scan.reader import Reader
from holystone.scan.relations.executions import EXECUTIONS
from holystone.store.histories import ExecutionRow, listing
from holystone.store.open_store import OpenStore

_AT_A_TIME = 200

Listed = tuple[ExecutionRow, str | None]
"""An execution, and the status that its history tells; None where it tells none."""


def listed(store: OpenStore, *, with_outputs: bool = True, **which: Any) -> Iterator[Listed]:
    """Yield the executions that `list_executions` returns for these arguments, not all at once.

    `execution_id` is one more of them. Without outputs, that of a row may be None though it has one.
    """
    wanted, output = listing(store, **which), executions.c.output
    short = unless_long(store.flavour, output).label("output")
    columns = [short if column.name == "output" else column for column in wanted.selected_columns]
    rows = wanted.with_only_columns(*columns, is_long(store.flavour, output).label("has_long"))
    with store.snapshot() as connection:
        reader = Reader(store, connection)
        with connection.execute(rows.execution_options(yield_per=_AT_A_TIME)) as result:
            for part in result.partitions():
                told = dict(_told(reader, [(row.instance_id, row.execution_id) for row in part]))
                for row in part:
                    fields = row._asdict()
                    if fields.pop("has_long") and with_outputs:
                        fields["output"] = reader.output(row.instance_id, row.execution_id)
                    yield ExecutionRow(**fields), told.get((row.instance_id, row.execution_id))


def _told(reader: Reader, keys: Sequence[tuple[str, int]]) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield the keys of executions with the status that the history of each tells, where it tells one."""
    these = or_(
        *(
            and_(executions.c.instance_id == instance_id, executions.c.execution_id == execution_id)
            for instance_id, execution_id in keys
        )
    )
    source = EXECUTIONS.source(reader.flavour, [these])
    for row in reader.connection.execute(select(*source.output()).select_from(source.rows)):
        outcome = EXECUTIONS.outcome(reader, row)
        if outcome is not None:
            yield (row.instance_id, row.execution_id), outcome.status
