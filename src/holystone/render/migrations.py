"""The schema of a store: what it is like, and which revisions are pending."""

from collections.abc import Sequence

from holystone.migrate import Status
from holystone.printable import one_line
from holystone.render.messages import block, document, listed, say
from holystone.render.terminal import command, wrapped
from holystone.render.timestamps import moment_of_second
from holystone.store.open_store import OpenStore

UNKNOWN_SHAPE = "S001"
"""The check whose page says what an unknown schema means. To bring one's own tables up is not what comes first then."""


def status_json(found: Status) -> None:
    """Write the status as one JSON object."""
    shape, adoption = found.shape, found.adoption
    document(
        {
            "schema": 1,
            "engine_migration": found.engine_migration,
            "toolkit_revision": found.toolkit_revision,
            "revisions": [
                {"id": one.id, "description": one.description, "state": one.state} for one in found.revisions
            ],
            "pending": list(found.pending),
            "due": list(found.due),
            "store_revision": found.store_revision,
            "lacking": list(found.lacking),
            "engines": {name: list(versions) for name, versions in vars(found.engines).items()},
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
    """Write the status, what each of holystone's revisions does, and the next command where there is one."""
    adoption = found.adoption
    engine = "duroxide-pg " if store.flavour.name == "postgresql" else "duroxide "
    lines = {
        "shape": found.shape.name,
        "engine migration": found.engine_migration or "none recorded",
        "written by": ", ".join(found.engines.wrote) or "nobody yet",
        "migrated by": f"{engine}{_span(found.engines.migrated)}",
        "opened by": f"{engine}{_span(found.engines.opening)}{_in_python(found.engines.packages)}",
        "store revision": found.store_revision or "none: the engine has made the store",
        "toolkit revision": found.toolkit_revision or "none",
        "pending": ", ".join(found.pending) or "none",
        "adopted": f"{moment_of_second(adoption.adopted_at_ms)} as {adoption.shape}" if adoption else "no",
    }
    if found.shape.known and str(found.engine_migration) in found.shape.name:
        del lines["engine migration"]  # the shape has said it
    for name, what in lines.items():
        say(f"{name:<19}{one_line(what)}")
    for revision in found.revisions:
        block(wrapped(revision.description, " " * 18, f"  {revision.id}  {revision.state}  ") + "\n")
    listed(found.shape.faults, "Unlike it, ")
    listed(found.shape.additions, "Beside the engine's: ")
    listed(found.lacking, "Gone of holystone's own: ")
    if not found.shape.known:
        say(f"Next: holystone explain {UNKNOWN_SHAPE}")
    elif found.pending or found.lacking:
        say(f"Next: {command(store, 'migrate upgrade')}")


def _span(versions: Sequence[str]) -> str:
    """Return versions in words, which follow one another: the first and the last."""
    if not versions:
        return "of a version that is not known here"
    return versions[0] if len(versions) == 1 else f"{versions[0]} to {versions[-1]}"


def _in_python(packages: Sequence[str]) -> str:
    return f"; in Python {_span(packages)}" if packages else ""
