"""Facts that rest on their own row alone."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class RowFacts(Struct, frozen=True):
    """Facts of a row that a change compares by itself: nothing beside it has to stay as it is."""

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {}
