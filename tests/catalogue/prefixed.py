"""Many cases in one store: each writes under a prefix of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Table

from holystone.demo.scribe import Payload, Scribe
from holystone.store import Event


class PrefixedScribe(Scribe):
    """Writes what a case wants under other instance ids, and queue rows under other numbers."""

    def __init__(self, scribe: Scribe, prefix: str) -> None:
        super().__init__(scribe.connection, scribe.flavour, row_id=int.from_bytes(prefix.encode()) * 1000)
        self.prefix = prefix

    def event(self, instance_id: str, execution_id: int, event_id: int, payload: Payload, now_ms: int) -> Event:
        # Named here already, because the event's data holds ids too.
        kind, fields = payload
        if fields.get("parent_instance") is not None:
            fields = {**fields, "parent_instance": self._named(fields["parent_instance"])}
        if kind == "SubOrchestrationScheduled" and not fields["instance"].startswith("sub::"):
            fields = {**fields, "instance": self._named(fields["instance"])}
        return super().event(self._named(instance_id), execution_id, event_id, (kind, fields), now_ms)

    def message(self, instance_id: str, work_item: Mapping[str, Any], visible_ms: int | None = None) -> int:
        ((kind, fields),) = work_item.items()
        ids = ("instance", "parent_instance")
        named = {
            name: self._named(value) if name in ids and value is not None else value for name, value in fields.items()
        }
        return super().message(instance_id, {kind: named}, visible_ms)

    def activity(self, event: Event) -> int:
        return super().activity(replace(event, instance_id=self._named(event.instance_id)))

    def add(self, table: Table, **values: Any) -> None:
        super().add(table, **self._prefixed(values))

    def change(self, table: Table, key: Mapping[str, Any], /, **values: Any) -> None:
        super().change(table, self._prefixed(key), **values)

    def remove(self, table: Table, key: Mapping[str, Any], /) -> None:
        super().remove(table, self._prefixed(key))

    def _prefixed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        ids = ("instance_id", "parent_instance_id")
        return {
            name: self._named(value) if name in ids and value is not None else value for name, value in values.items()
        }

    def _named(self, instance_id: str) -> str:
        return instance_id if instance_id.startswith(f"{self.prefix} ") else f"{self.prefix} {instance_id}"
