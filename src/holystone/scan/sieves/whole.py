"""The sieve of whole histories: every event is read."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import select

from holystone.duroxide.tables import history, kv_delta, kv_store
from holystone.scan.narrow import on
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions
from holystone.scan.sieves.ends import Ends
from holystone.scan.sieves.packs import Packs, packed
from holystone.scan.sieves.rows import NEEDS, Rows
from holystone.scan.sieves.sieve import Judged, Sieve, streamed


class Whole(Sieve):
    name = "whole"
    needs = NEEDS
    proves = Ends.proves | {"H003", "H004", "H005", "H006", "H007", "H009", "H010", "H011", "I008", "K003"}
    pays_for = frozenset({"events"})

    def judged(self, reader: Reader, within: Conditions) -> Iterator[Judged]:
        packs, keyed = Packs(reader), _with_rows_of_keys(reader, within)
        result, found = streamed(reader, packed(reader.flavour, within))
        with closing(result), closing(Rows(reader, within)) as rows:
            for pack in found:
                instance_id, execution_id = pack.instance_id, pack.execution_id
                events = packs.sound_events(pack)
                is_sound = rows.bear_out(instance_id, execution_id, events)
                if is_sound and rows.is_current:
                    is_sound = rows.custom_status == _custom_status(events or ())
                yield instance_id, pack.texts, is_sound, instance_id in keyed or packs.may_have_keys(pack, events)
            for instance_id in rows.out_of_step():
                yield instance_id, 0, False, False


def _with_rows_of_keys(reader: Reader, within: Conditions) -> set[Any]:
    """Return the ids of the instances that have any row of keys; what is in the rows takes their events to know."""
    return {
        instance_id
        for table in (kv_store, kv_delta)
        if table.name in reader.store.columns
        for instance_id in reader.connection.execute(
            select(table.c.instance_id).where(*on(table.c.instance_id, history.c.instance_id, within)).distinct()
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
