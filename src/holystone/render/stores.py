"""The stores of a place, as text and as JSON."""

from collections.abc import Sequence
from typing import Any

from holystone.printable import one_line
from holystone.render.messages import document, say
from holystone.render.report import toolkit_revision_if_readable
from holystone.render.terminal import command, counted, quoted
from holystone.store.open_store import OpenStore


def stores_json(stores: Sequence[OpenStore]) -> None:
    """Write the stores as one JSON object."""
    document({"schema": 1, "stores": [_object(store) for store in stores]}, indent=1)


def stores_text(stores: Sequence[OpenStore]) -> None:
    """Write a line a store, and the command that checks the first."""
    for store in stores:
        target, migration = store.target, store.engine_migration or "not recorded"
        name = str(target) if target.schema is None else f"{target} --schema {quoted(target.schema)}"
        beside = "" if store.no_extension is not None else ", with pg_durable"
        say(f"{one_line(name)}  {store.flavour.name}, engine migration {migration}{beside}")
    say(f"{counted(len(stores), 'store')}.")
    say(f"Next: {command(stores[0], 'check')}")


def _object(store: OpenStore) -> dict[str, Any]:
    return {
        "target": str(store.target),
        "schema": store.target.schema,
        "identity": store.identity,
        "flavour": store.flavour.name,
        "engine_migration": store.engine_migration,
        "toolkit_revision": toolkit_revision_if_readable(store),
        "pg_durable": store.no_extension is None,
    }
