"""Sieves: quick looks at a whole store that leave few instances to look at with care.

A relation asks a database about each of its rows, and several of them about the same events. A sieve reads what they
have in common once and tells in Python which instances are surely as the engine writes them: none of the checks that it
`proves` can find anything there. It may doubt a sound instance, which is then looked at by the relations themselves,
and never passes a bad one. `tests/catalogue/test_sieves.py` holds every case of the catalogue against that.
"""

from holystone.scan.sieves.ends import Ends
from holystone.scan.sieves.sieve import Sieve
from holystone.scan.sieves.whole import Whole

SIEVES: tuple[Sieve, ...] = (Whole(), Ends())
"""All that there are, the one that saves most first."""
