"""The clock of the store: the engine counts milliseconds since the epoch."""

import time


def now_ms() -> int:
    """Return the time in ms since the epoch."""
    return time.time_ns() // 1_000_000
