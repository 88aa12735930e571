"""What keeps an instance from being taken up whatever comes for it: a pin, or a row that holds up the whole store.

Source of the pin: `fetch_orchestration_item` of the providers, which asks for versions from 0.0.0 up to the
dispatcher's own, or for none: where the first number is NULL.
"""

from collections.abc import Iterator, Sequence

from holystone.diagnosis.facts import Facts
from holystone.diagnosis.model import Cause
from holystone.duroxide.event_types import CONTINUE
from holystone.duroxide.releases import NEWEST, NEWEST_IN_WORDS
from holystone.duroxide.tables import orchestrator_queue


def hindrances(facts: Facts, found: Sequence[Cause]) -> list[Cause]:
    """Return what hinders the causes that were found, which are told of it: they do not wake it then."""
    end = None if facts.history is None else facts.history.end
    if end is not None and end["type"] != CONTINUE:
        return []
    pin = list(_pin(facts))
    for hindrance in pin:
        for cause in found:
            if cause.wakes is not False:
                cause.wakes = hindrance.wakes
    return pin + list(_blockades(facts, found))


def _pin(facts: Facts) -> Iterator[Cause]:
    pin = facts.pin
    if not pin or pin[0] is None:
        return
    words = ".".join("NULL" if part is None else str(part) for part in pin)
    if any(not isinstance(part, int) or part < 0 for part in pin):
        sentence = (
            f"Its execution is pinned to version {words} of the engine, which none is: no dispatcher takes it up."
        )
        yield Cause(kind="pin", sentence=sentence, wakes=False, table="executions")
    elif tuple(part or 0 for part in pin) > NEWEST:
        sentence = (
            f"Its execution is pinned to version {words} of the engine, and {NEWEST_IN_WORDS} is the newest one known "
            "here: no dispatcher of an earlier version takes it up."
        )
        yield Cause(kind="pin", sentence=sentence, wakes=None, table="executions")


def _blockades(facts: Facts, found: Sequence[Cause]) -> Iterator[Cause]:
    """Yield what holds up the store, where it holds up a cause as well."""
    for blockade in facts.blockades:
        held = [cause for cause in found if cause.wakes is not False and _goes_through(blockade.table, cause)]
        held = [cause for cause in held if blockade.holds_up(blockade.table, _row_id(blockade.table, cause))]
        for cause in held:
            cause.wakes = False
        if held:
            yield Cause(
                kind="blockade", sentence=blockade.sentence, wakes=False, table=blockade.table, row_id=blockade.row_id
            )


def _goes_through(table: str, cause: Cause) -> bool:
    """Return whether a cause takes the instance on by a row of this queue: all do by a message in the end."""
    return table == orchestrator_queue.name or cause.table == table


def _row_id(table: str, cause: Cause) -> int | None:
    return cause.row_id if cause.table == table and isinstance(cause.row_id, int) else None
