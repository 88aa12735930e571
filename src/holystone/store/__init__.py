"""What a store of the engine is: its tables, its flavours, its events and messages, and how to open one."""

from holystone.store.event import Event
from holystone.store.store import Store
from holystone.store.work_item import WorkItem

__all__ = ["Event", "Store", "WorkItem"]
