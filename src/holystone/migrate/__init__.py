"""Making stores, bringing their schema to a revision, and adopting stores that the engine made.

There are two kinds of branches. `toolkit` are holystone's own objects, in any store. The engine's tables have one
for each flavour, for stores that `create` made: `store` for SQLite, `postgresql` for the other; a store that the engine
made is left to the engine.
"""

from holystone.migrate.adopt import Adoption, adopt
from holystone.migrate.change import create, downgrade, restore, upgrade
from holystone.migrate.script import script
from holystone.migrate.status import Status, status, toolkit_revision
from holystone.store.toolkit import TOOLKIT

__all__ = [
    "TOOLKIT",
    "Adoption",
    "Status",
    "adopt",
    "create",
    "downgrade",
    "restore",
    "script",
    "status",
    "toolkit_revision",
    "upgrade",
]
