"""Parents and children, by the column that says so."""

from sqlalchemy import Connection, select

from holystone.duroxide.tables import instances
from holystone.errors import UnknownInstanceError
from holystone.store.open_store import OpenStore
from holystone.store.turns.records import InstanceTree


class Hierarchy(OpenStore):
    """The parents and the children of instances."""

    def list_children(self, instance_id: str) -> list[str]:
        """Return the children of an instance, oldest first; none where there is no such instance."""
        with self.snapshot() as connection:
            return _children(connection, [instance_id])

    def get_parent_id(self, instance_id: str) -> str | None:
        """Return the parent of an instance, None for a root; UnknownInstanceError where there is no such instance."""
        with self.snapshot() as connection:
            return parent_of(connection, instance_id)

    def get_instance_tree(self, instance_id: str) -> InstanceTree:
        """Return an instance and all its descendants; UnknownInstanceError where there is no such instance."""
        with self.snapshot() as connection:
            parent_of(connection, instance_id)
            return InstanceTree(instance_id, tuple(descendants(connection, instance_id)))


def parent_of(connection: Connection, instance_id: str) -> str | None:
    """See `parent`."""
    row = connection.execute(
        select(instances.c.parent_instance_id).where(instances.c.instance_id == instance_id)
    ).one_or_none()
    if row is None:
        raise unknown_instance_error(instance_id)
    found: str | None = row.parent_instance_id
    return found


def descendants(connection: Connection, root: str) -> list[str]:
    """Return an instance and all its descendants, generation by generation."""
    found = [root]
    generation = [root]
    while generation:
        # A column that was edited by hand may lead in a circle.
        generation = [child for child in _children(connection, generation) if child not in found]
        found += generation
    return found


def unknown_instance_error(instance_id: str) -> UnknownInstanceError:
    """Return the error for an instance that is not there."""
    return UnknownInstanceError(
        f"There is no instance {instance_id!r}.", "See what there is: holystone executions list TARGET"
    )


def _children(connection: Connection, parents: list[str]) -> list[str]:
    wanted = select(instances.c.instance_id).where(instances.c.parent_instance_id.in_(parents))
    return list(connection.execute(wanted.order_by(instances.c.created_at, instances.c.instance_id)).scalars())
