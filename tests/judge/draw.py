"""Drawing by a seed: the same for the same seed and the same store."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


def one_drawn(strategy: SearchStrategy[T], its_seed: int) -> T:
    """Draw once; the first example of a run is always the simplest there is, so it is the second."""
    found: list[T] = []

    @seed(its_seed)
    @settings(
        max_examples=2, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def collect(one: T) -> None:
        found.append(one)

    collect()
    return found[-1]
