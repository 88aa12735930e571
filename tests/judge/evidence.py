"""Damages that destroy all evidence of themselves: what is left is what the engine could have made.

The law *clean* does not hold for them, as no program can know. Each entry is a predicate on one damage, and its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from judge.damages import Damage

PAYLOADS = {"input", "result", "data", "output", "value", "error", "details", "reason", "custom_status", "name"}


def _no_evidence(one: Damage) -> str | None:
    for reason, holds in REASONS.items():
        if holds(one):
            return reason
    return None


REASONS: Mapping[str, Callable[[Damage], Any]] = {
    "what a user gave or got is text like any other, and is kept in one place only": lambda one: (
        one.kind.startswith("json") and one.field in PAYLOADS
    ),
}


def without_evidence(damages: Sequence[Damage]) -> str | None:
    """The reason why nothing shows that a store was damaged, where all of its damages are of that kind."""
    reasons = [_no_evidence(one) for one in damages]
    return reasons[0] if reasons and all(reasons) else None
