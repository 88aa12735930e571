"""The prefilter of whole histories: every event is read."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import select

from holystone.duroxide.tables import history, kv_delta, kv_store
from holystone.scan.check import Proof
from holystone.scan.history_batches import HistoryBatches, batched_histories
from holystone.scan.prefilters.execution_rows import NEEDS, ExecutionRows
from holystone.scan.prefilters.prefilter import Prefilter, Verdict, streamed
from holystone.scan.pushdown import rebind
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions


class FullHistory(Prefilter):
    name = "whole"
    needs = NEEDS
    proof = Proof.full_history
    replaces_scans_of = frozenset({"events"})

    def verdicts(self, reader: Reader, within: Conditions) -> Iterator[Verdict]:
        batches, keyed = HistoryBatches(reader), _with_rows_of_keys(reader, within)
        result, found = streamed(reader, batched_histories(reader.flavour, within))
        with closing(result), closing(ExecutionRows(reader, within)) as rows:
            for batch in found:
                instance_id, execution_id = batch.instance_id, batch.execution_id
                events = batches.sound_events(batch)
                is_sound = rows.matches(instance_id, execution_id, events)
                if is_sound and rows.is_current:
                    is_sound = rows.custom_status == _custom_status(events or ())
                yield instance_id, batch.texts, is_sound, instance_id in keyed or batches.may_have_keys(batch, events)
            for instance_id in rows.unmatched_instances():
                yield instance_id, 0, False, False


def _with_rows_of_keys(reader: Reader, within: Conditions) -> set[Any]:
    """Return the ids of the instances that have any row of keys; what is in the rows takes their events to know."""
    return {
        instance_id
        for table in (kv_store, kv_delta)
        if table.name in reader.store.columns
        for instance_id in reader.connection.execute(
            select(table.c.instance_id).where(*rebind(table.c.instance_id, history.c.instance_id, within)).distinct()
        ).scalars()
    }


def _custom_status(events: Sequence[Any]) -> str | None:
    """Return the custom status that a current execution's events leave: the last one set, or the one it began with."""
    from msgspec import UNSET

    for event in reversed(events):
        if type(event).__name__ == "CustomStatusUpdated":
            status: str | None = event.status
            return status
    begun_with = events[0].initial_custom_status
    return None if begun_with is UNSET else begun_with
