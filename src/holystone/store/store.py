"""A store of the engine, with all that can be done to it."""

from holystone.store.histories import Histories
from holystone.store.turns.activities import Activities
from holystone.store.turns.deletion import Deletion
from holystone.store.turns.kv import Keys
from holystone.store.turns.management import Management
from holystone.store.turns.pruning import Pruning
from holystone.store.turns.sessions import Sessions
from holystone.store.turns.tree import Families
from holystone.store.turns.turns import Turns


class Store(Turns, Activities, Sessions, Deletion, Pruning, Management, Families, Keys, Histories):
    """A store of the engine, recognised as one: see `OpenStore` for how one is opened and read."""
