"""Scenarios of the engine's driver that leave instances in all the states that management has to tell apart."""

from __future__ import annotations

STATES = (
    "parents",
    "chains",
    "failed",
    "cancelled-parent",
    "key-values",
    "between-backed-off",
    "work-outstanding",
    "timers",
    "messages-queued",
)
