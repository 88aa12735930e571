"""Toolkit facts: where holystone's own objects in the store stand."""

from collections.abc import Iterable

from holystone.scan.compared import Compared
from holystone.scan.reader import Reader
from holystone.scan.relations.whole_store import StoreFacts, WholeStore
from holystone.store.toolkit import Toolkit, metadata, state, versions

NOTHING = "none"


class ToolkitFacts(StoreFacts, frozen=True):
    """Where holystone's own objects stand; `unrecorded` are tables of theirs where no revision is recorded."""

    toolkit: Toolkit
    unrecorded: bool

    @property
    def pending(self) -> Compared[str]:
        return Compared("pending", ", ".join(self.toolkit.due) or NOTHING, NOTHING)

    @property
    def lacking(self) -> Compared[str]:
        record = [f"the revision in {versions.name}"] if self.unrecorded else []
        return Compared("lacking", ", ".join([*record, *self.toolkit.lacking]) or NOTHING, NOTHING)


class ToolkitObjects(WholeStore[ToolkitFacts]):
    name = "toolkit_objects"
    dispensable = True

    def found(self, reader: Reader) -> Iterable[ToolkitFacts]:
        toolkit = state(reader.store, reader.connection)
        return [ToolkitFacts(toolkit, toolkit.revision is None and _has_tables(reader))]


def _has_tables(reader: Reader) -> bool:
    """Return whether a table of ours is there, and was when the store was opened: a migrator may be at work."""
    return bool(metadata.tables.keys() & reader.store.columns.keys() & reader.flavour.columns(reader.connection).keys())


TOOLKIT_OBJECTS = ToolkitObjects()
