"""Holystone in the engine's place: takes turns of the driver's orchestrations, and runs their activities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from holystone.store import Store, WorkItem
from holystone.store.turns.lease import OrchestrationItem
from holystone.store.turns.tags import TagFilter
from turns.kit import LOCK_MS
from turns.shared.code import run_activity, run_code
from turns.shared.turn import Turn


@dataclass
class Runtime:
    """A runtime on one store, which does one thing at a time."""

    store: Store

    def run(self) -> None:
        """Take turns and run activities without a tag until there is nothing left to do now."""
        while self.take_turns() or self.run_activities(TagFilter.default_only()):
            pass

    def take_turns(self) -> int:
        """Take turns until there is none left, and return how many."""
        taken = 0
        for item in self.fetched():
            self.take(item)
            taken += 1
        return taken

    def fetched(self) -> Iterator[OrchestrationItem]:
        """Fetch turns until there is none left."""
        while (item := self.store.fetch_orchestration_item(LOCK_MS)) is not None:
            yield item

    def take(self, item: OrchestrationItem) -> None:
        """Run the orchestration's code for a turn, and ack it."""
        turn = Turn(item)
        if not turn.over:
            run_code(turn)
        turn.ack(self.store)

    def run_activities(self, tags: TagFilter) -> int:
        """Run the activities that wait for a worker with these tags, and return how many."""
        done = 0
        while (lease := self.store.fetch_work_item(LOCK_MS, tags=tags)) is not None:
            fields = lease.item.fields
            which = {name: fields[name] for name in ("instance", "execution_id", "id")}
            result = run_activity(fields["name"], fields["input"])
            self.store.ack_work_item(lease.lock_token, WorkItem.new("ActivityCompleted", **which, result=result))
            done += 1
        return done
