"""Histories with events that are read apart from their batch: sound where each event is in the row of its own ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from conftest import ENGINES, FLAVOURS, MakeStore
from holystone.demo.scribe import Scribe, activity_completed, completed, scheduled, started
from holystone.duroxide.tables import history
from holystone.scan import history_batches, long_texts
from holystone.scan.history_batches import HistoryBatches, batched_histories
from holystone.scan.reader import Reader
from holystone.store import Store

LONG = "x" * 1_000
PAYLOADS = (
    started(),
    scheduled(input=LONG),
    activity_completed(),
    scheduled(),
    activity_completed(source=4),
    completed(LONG),
)


def as_written(texts: Sequence[str]) -> list[str]:
    return list(texts)


def swapped(texts: Sequence[str]) -> list[str]:
    return [texts[1], texts[0], *texts[2:]]


def two_in_one(texts: Sequence[str]) -> list[str]:
    return ["", "\n".join(texts[:2]), *texts[2:]]


def two_long_ones_in_one(texts: Sequence[str]) -> list[str]:
    return [texts[0], "\n".join([texts[1], texts[5]]), *texts[2:5], ""]


def short_ones_in_one_beside_a_long_one(texts: Sequence[str]) -> list[str]:
    return [texts[0], texts[1], "\n".join(texts[2:4]), texts[1], *texts[4:]]


def cut_short(texts: Sequence[str]) -> list[str]:
    return [texts[0], texts[1][:-1], *texts[2:]]


def null_in_a_row(texts: Sequence[str]) -> list[str]:
    """What stands in a batch for an event that is read apart."""
    return [*texts[:3], "null", *texts[4:]]


def null_for_a_long_one(texts: Sequence[str]) -> list[str]:
    return [texts[0], "null", *texts[2:]]


def null_beside_an_event(texts: Sequence[str]) -> list[str]:
    return [*texts[:2], "\n".join([texts[2], "null"]), *texts[3:]]


def null_beside_an_event_and_none_after_it(texts: Sequence[str]) -> list[str]:
    return [*texts[:3], "\n".join([texts[3], "null"]), "", texts[5]]


CHANGES = (
    *(swapped, two_in_one, two_long_ones_in_one, short_ones_in_one_beside_a_long_one, cut_short),
    *(null_in_a_row, null_for_a_long_one, null_beside_an_event, null_beside_an_event_and_none_after_it),
)


@pytest.mark.parametrize("most", [1_000, 4], ids=["long", "long-or-late"])
@pytest.mark.parametrize("change", [as_written, *CHANGES], ids=lambda change: change.__name__)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_sound_only_as_written(
    engine_store: MakeStore,
    flavour: str,
    change: Callable[[Sequence[str]], list[str]],
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(long_texts, "LONG", 900)
    monkeypatch.setattr(history_batches, "_MOST", most)
    monkeypatch.setattr("holystone.store.open_store._PREPARED", {})  # what was made with the usual lengths
    made = engine_store(ENGINES[-1], flavour, ())  # type: ignore[arg-type]
    store = Store.open(made.target, made.schema)
    with store.transaction() as connection:
        scribe = Scribe(connection, store.flavour)
        scribe.execution("i", *PAYLOADS)
        rows = history.select().where(history.c.instance_id == "i").order_by(history.c.event_id)
        texts = [row.event_data for row in connection.execute(rows)]
        for event_id, text in enumerate(change(texts), 1):
            scribe.change(history, {"instance_id": "i", "event_id": event_id}, event_data=text)
    with store.snapshot() as connection:
        reader = Reader(store, connection)
        [batch] = connection.execute(batched_histories(store.flavour, []))
        sound = HistoryBatches(reader).sound_history(batch)
    if change is as_written:
        assert sound is not None
        assert [event.event_id for event in sound.events] == list(range(1, 7))
        assert sound.events[-1].output == LONG
        text = batch.event_data if isinstance(batch.event_data, str) else batch.event_data.decode()
        assert text.split("\n").count("null") == (2 if most > len(PAYLOADS) else 3)
    else:
        assert sound is None
