"""What a store of the engine is: its tables, its flavours, its events, and how to open one."""

from holystone.store.store import Store

__all__ = ["Store"]
