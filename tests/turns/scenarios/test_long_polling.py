"""A fetch looks once and answers; who wants to wait asks again."""

from __future__ import annotations

import time

from turns.kit import LOCK_MS, Kit

SOON_S = LOCK_MS / 1000 / 2
"""Well before the lock expires for which a fetch could be waiting, however slow the machine."""


def test_short_poll_returns_immediately(kit: Kit) -> None:
    """With no turn to take, and with one that another worker holds, the answer is None and comes at once."""
    begun = time.monotonic()
    assert kit.store.fetch_orchestration_item(LOCK_MS) is None
    kit.start("a")
    kit.fetch()
    assert kit.store.fetch_orchestration_item(LOCK_MS) is None
    assert time.monotonic() - begun < SOON_S


def test_short_poll_work_item_returns_immediately(kit: Kit) -> None:
    """With no activity to run, and with one that another worker holds, the answer is None and comes at once."""
    begun = time.monotonic()
    assert kit.store.fetch_work_item(LOCK_MS) is None
    kit.employ("a")
    kit.work()
    assert kit.store.fetch_work_item(LOCK_MS) is None
    assert time.monotonic() - begun < SOON_S
