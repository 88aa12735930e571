"""What a store of the engine is: its tables, its flavours, its events and messages, and how to open one."""

from holystone.duroxide.event import Event
from holystone.duroxide.work_item import WorkItem
from holystone.store.store import Store

__all__ = ["Event", "Store", "WorkItem"]
