"""Digests of what a finding rests on: a change is made only while they stay the same."""

import hashlib
from typing import Any


def digest_of(stored: Any) -> str:
    """Return 16 hexadecimal digits that tell a stored value from others, whether or not it is text, or UTF-8."""
    return hashlib.sha256(str(stored).encode(errors="surrogateescape")).hexdigest()[:16]
