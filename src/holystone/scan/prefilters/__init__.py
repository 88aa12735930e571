"""Prefilters: quick looks at a whole store that leave few instances to look at with care.

A relation asks a database about each of its rows, and several of them about the same events. A prefilter reads what
they have in common once and tells in Python which instances are surely as the engine writes them: no check that is
`proved_by` as much can find anything there. It may doubt a sound instance, which is then looked at by the relations
themselves, and never passes a bad one. `tests/catalogue/test_prefilters.py` holds every case of the catalogue against
that.
"""

from holystone.scan.prefilters.boundary_events import BoundaryEvents
from holystone.scan.prefilters.full_history import FullHistory
from holystone.scan.prefilters.prefilter import Prefilter

PREFILTERS: tuple[Prefilter, ...] = (FullHistory(), BoundaryEvents())
"""All that there are, the one that saves most first."""
