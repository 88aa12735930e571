"""What a position in a store is: where it stood at a moment, so that later changes can be told from what was there."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

Position = Mapping[str, Any]
"""Where a store stood, as JSON; only the flavour that took it can read it."""


class Changes(Struct, frozen=True):
    """The instances in whose rows the engine has written since a position, sorted.

    `why_all` says why they cannot be told from the others, so that all have to be looked at; None where they can.
    """

    instances: Sequence[str] = ()
    why_all: str | None = None
