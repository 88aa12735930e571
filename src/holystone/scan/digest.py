"""Digests of what a finding rests on: a change is made only while they stay the same."""

import hashlib
from typing import Any

_PIECE = 1024 * 1024
"""Characters of a text that are taken in at a time, so that a long one is not held once more."""


def digest_of(stored: Any) -> str:
    """Return 16 hexadecimal digits that tell a stored value from others, whether or not it is text, or UTF-8."""
    text, digest = str(stored), hashlib.sha256()
    for start in range(0, len(text), _PIECE):
        digest.update(text[start : start + _PIECE].encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]
