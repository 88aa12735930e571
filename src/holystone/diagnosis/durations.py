"""Lengths of time as people say them."""

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


def duration(ms: int) -> str:
    """Return a length of time in its greatest unit of which there are two at least: `45 s`, `90 min`, `3 d`."""
    for unit, name in _UNITS:
        if ms >= 2 * unit:
            return f"{ms // unit} {name}"
    return f"{max(0, ms // 1_000)} s"


def from_now(ms: int, now_ms: int) -> str:
    """Return when a moment is or was, both in ms since the epoch: `in 2 h`, `3 d ago`."""
    return f"in {duration(ms - now_ms)}" if ms > now_ms else f"{duration(now_ms - ms)} ago"


def since(ms: int | None, now_ms: int) -> str:
    """Return `since 3 d` for a moment, with a space before it; nothing for None."""
    return "" if ms is None else f" since {duration(max(0, now_ms - ms))}"
