"""A store of the engine, with all that can be done to it."""

from holystone.store.histories import Histories
from holystone.store.turns.activities import Activities
from holystone.store.turns.deletion import Deletion
from holystone.store.turns.kv import KeyValues
from holystone.store.turns.management import Management
from holystone.store.turns.pruning import Pruning
from holystone.store.turns.sessions import Sessions
from holystone.store.turns.tree import Hierarchy
from holystone.store.turns.turns import Turns


class Store(Turns, Activities, Sessions, Deletion, Pruning, Management, Hierarchy, KeyValues, Histories):
    """A store of the engine, recognised as one: see `OpenStore` for how one is opened and read."""
