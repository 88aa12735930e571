"""The prefilter of whole histories: every event is read."""

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET
from sqlalchemy import Select, select, union

from holystone.duroxide.tables import executions, instances, kv_delta, kv_store
from holystone.flavours import Flavour
from holystone.scan.check import Proof
from holystone.scan.history_batches import HistoryBatches, SoundHistory, batched_histories
from holystone.scan.long_texts import unless_long
from holystone.scan.prefilters.execution_rows import NEEDS, ExecutionRows, execution_columns, on_table, with_instances
from holystone.scan.prefilters.prefilter import Prefilter, Verdict, streamed
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions

_IS_CURRENT = 5
"""Place of `is_current` in a row."""


class FullHistory(Prefilter):
    name = "whole"
    needs = NEEDS
    proof = Proof.full_history
    replaces_scans_of = frozenset({"events"})

    def verdicts(self, reader: Reader, within: Conditions) -> Iterator[Verdict]:
        batches, keyed = HistoryBatches(reader), _with_rows_of_keys(reader, within)
        judged, in_step = ExecutionRows(reader), True
        with (
            streamed(reader, batched_histories(reader.flavour, within)) as found,
            streamed(reader, _rows(reader.flavour, within)) as rows,
        ):
            for batch in found:
                # Taken apart by place: to ask a row for a column by its name takes about as long as to read an event.
                instance_id, execution_id, *_, texts = batch
                history = batches.sound_history(batch)
                row = next(rows, None) if in_step else None
                # Histories and rows belong together as they come: else something has lost its like, and all that comes
                # after is left in doubt.
                in_step = row is not None and (row[0], row[1]) == (instance_id, execution_id)
                is_sound = False
                if row is not None and in_step:
                    *columns, custom_status, has_custom_status = row
                    is_sound = judged.matches(columns, None if history is None else history.events)
                    if is_sound and history is not None and row[_IS_CURRENT]:
                        custom_status = judged.custom_status(custom_status, has_custom_status)
                        is_sound = custom_status == _custom_status(history)
                # What is not sound is in doubt, whatever may have been set or cleared.
                has_keys = instance_id in keyed or (history is not None and history.has_keys)
                yield instance_id, texts, is_sound, has_keys
            in_step = in_step and next(rows, None) is None
        for instance_id in judged.end(within) if in_step else _every_instance(reader, within):
            yield instance_id, 0, False, False


def _rows(flavour: Flavour, within: Conditions) -> Select[Any]:
    """Return the select of executions with their instances, and the custom status of these."""
    custom_status = instances.c.custom_status
    return (
        select(
            *execution_columns(flavour),
            unless_long(flavour, custom_status).label("custom_status"),
            custom_status.is_not(None).label("has_custom_status"),
        )
        .select_from(with_instances(executions, within))
        .where(*on_table(executions, within))
        .order_by(executions.c.instance_id, executions.c.execution_id)
    )


def _every_instance(reader: Reader, within: Conditions) -> Iterator[Any]:
    """Yield the ids of all instances, and of those that have executions alone."""
    ids = (select(table.c.instance_id).where(*on_table(table, within)) for table in (instances, executions))
    yield from reader.connection.execute(union(*ids)).scalars()


def _with_rows_of_keys(reader: Reader, within: Conditions) -> set[Any]:
    """Return the ids of the instances that have any row of keys; what is in the rows takes their events to know."""
    return {
        instance_id
        for table in (kv_store, kv_delta)
        if table.name in reader.store.columns
        for instance_id in reader.connection.execute(
            select(table.c.instance_id).where(*on_table(table, within)).distinct()
        ).scalars()
    }


def _custom_status(history: SoundHistory) -> str | None:
    """Return the custom status that a current execution's events leave: the last one set, or the one it began with."""
    if history.custom_status is not None:
        status: str | None = history.events[history.custom_status].status
        return status
    begun_with = history.events[0].initial_custom_status
    return None if begun_with is UNSET else begun_with
