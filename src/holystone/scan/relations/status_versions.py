"""Status version facts: the number by which clients see that an instance's custom status is new.

Sources in microsoft/duroxide: `get_orchestration_status` and `wait_for_status_change` in src/client/mod.rs, which take
0 for the version last seen at first, and `get_custom_status` in src/providers/sqlite.rs, as in the functions of
microsoft/duroxide-pg: it returns a status only where its version is greater than that.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, and_, func, select

from holystone.duroxide.tables import instances
from holystone.flavours import Flavour
from holystone.scan.compared import Compared
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key, Relation
from holystone.scan.relations.status_updates import StatusUpdates, status_updates


class VersionSource:
    """The instances, each with the version of its custom status, and whether it shows one."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        row = instances.c
        shows = row.custom_status.is_not(None).label("shows_status")
        rows = select(row.instance_id, row.custom_status_version, shows).where(*within).subquery("instance")
        self.rows: FromClause = rows
        self._version = rows.c.custom_status_version
        self.key = (rows.c.instance_id,)

    @property
    def counts(self) -> ColumnElement[bool]:
        """The engine can add one to the version, and a client takes it for what it is."""
        version = func.coalesce(self._version, -1)
        return and_(self.flavour.is_integer(self._version), version.between(0, self.flavour.times.greatest_version - 1))

    @property
    def hides_status(self) -> ColumnElement[bool]:
        """There is a status, and no client gets to see it."""
        return and_(self.rows.c.shows_status, func.coalesce(self._version, -1) < 1)

    def output(self) -> Sequence[ColumnElement[Any]]:
        return list(self.rows.c)


class VersionFacts(Struct, frozen=True):
    """One instance; `updates` is how often it has set or cleared its status, as far as events tell."""

    instance_id: str
    version: Any
    shows_status: bool
    updates: StatusUpdates

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"updates": self.updates.count}

    @property
    def custom_status_version(self) -> Compared[Any]:
        """The version, and one that is not less than the engine's own, as several updates of one turn count once.

        A status that no event has set was made up where all of them are known, and is to be seen by nobody.
        """
        seen = 1 if self.shows_status and not self.updates.are_all else 0
        return Compared("custom_status_version", self.version, max(self.updates.count, seen))


class StatusVersions(Relation[VersionSource, VersionFacts]):
    name = "status_versions"
    table = instances
    # They are the rows of another relation, too.
    counted = False
    needs: ClassVar[Mapping[str, Sequence[str]]] = {"instances": ("custom_status", "custom_status_version")}

    def source(self, flavour: Flavour, within: Conditions) -> VersionSource:
        return VersionSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> VersionFacts:
        updates = status_updates(reader, row.instance_id)
        return VersionFacts(row.instance_id, row.custom_status_version, bool(row.shows_status), updates)


STATUS_VERSIONS = StatusVersions()
