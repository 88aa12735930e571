"""Ids that somebody may have meant, found without reading the whole store."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from sqlalchemy import ColumnElement, select

from holystone.duroxide.tables import instances, orchestrator_queue
from holystone.scan.reader import Reader
from holystone.store.open_store import OpenStore

_NEAR = 500
"""Ids that are looked at on each side of the one that was given, in the order of the index."""
_SHOWN = 3
_LONGEST = 500
"""Characters of an id from which on it is compared with no other: that takes the square of its length."""


def close_ids(reader: Reader, instance_id: str) -> list[str]:
    """Return up to three ids of instances that are much like this one, the closest first.

    They are looked for among a thousand of its neighbours, which in a store of no more instances are all of them.
    """
    if len(instance_id) > _LONGEST:
        return []
    near = {one.casefold(): one for one in _neighbours(reader, instance_id) if len(one) <= _LONGEST}
    close = get_close_matches(instance_id.casefold(), near, _SHOWN)
    return [near[one] for one in close]


def ids_from(store: OpenStore, begun: str, most: int) -> list[str]:
    """Return the first ids of instances that begin so, of `most` at most; HolystoneError where it cannot be read."""
    column = instances.c.instance_id
    found = select(column).where(column.startswith(begun, autoescape=True)).order_by(column).limit(most)
    with store.unlocked_snapshot() as connection:
        ids = connection.execute(found).scalars()
        # On SQLite LIKE takes small letters for capitals, and a column may hold anything.
        return [one for one in ids if isinstance(one, str) and one.startswith(begun)]


def _neighbours(reader: Reader, instance_id: str) -> Iterator[str]:
    for column in (instances.c.instance_id, orchestrator_queue.c.instance_id):
        before: tuple[ColumnElement[bool], Any] = (column < instance_id, column.desc())
        for side, order in (before, (column > instance_id, column)):
            found = select(column).where(side).distinct().order_by(order).limit(_NEAR)
            yield from (one for one in reader.connection.execute(found).scalars() if isinstance(one, str))
