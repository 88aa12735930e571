"""The schema of a store: what it is like, and which revisions are pending."""

from holystone.migrate import Status
from holystone.printable import one_line
from holystone.render.messages import document, listed, say
from holystone.render.terminal import command
from holystone.render.timestamps import moment_of_second
from holystone.store.open_store import OpenStore


def status_json(found: Status) -> None:
    """Write the status as one JSON object."""
    shape, adoption = found.shape, found.adoption
    document(
        {
            "schema": 1,
            "engine_migration": found.engine_migration,
            "toolkit_revision": found.toolkit_revision,
            "pending": list(found.pending),
            "store_revision": found.store_revision,
            "lacking": list(found.lacking),
            "shape": {
                "name": shape.name,
                "known": shape.known,
                "differences": list(shape.faults),
                "additions": list(shape.additions),
            },
            "adopted": adoption
            and {
                "shape": adoption.shape,
                "engine_migration": adoption.engine_migration,
                "version": adoption.version,
                "at_ms": adoption.adopted_at_ms,
            },
        }
    )


def status_text(store: OpenStore, found: Status) -> None:
    """Write the status, and the next command where there is something to do."""
    adoption = found.adoption
    lines = {
        "shape": found.shape.name,
        "engine migration": found.engine_migration or "none recorded",
        "store revision": found.store_revision or "none: the engine has made the store",
        "toolkit revision": found.toolkit_revision or "none",
        "pending": ", ".join(found.pending) or "none",
        "adopted": f"{moment_of_second(adoption.adopted_at_ms)} as {adoption.shape}" if adoption else "no",
    }
    for name, what in lines.items():
        say(f"{name:<19}{one_line(what)}")
    listed(found.shape.faults, "Unlike it, ")
    listed(found.shape.additions, "Beside the engine's: ")
    listed(found.lacking, "Gone of holystone's own: ")
    if found.pending or found.lacking:
        say(f"Next: {command(store, 'migrate upgrade')}")
