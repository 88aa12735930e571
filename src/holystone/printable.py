"""Text as a terminal can show it, whatever it comes from: a store, a file, a server."""

from typing import Any

LONGEST_LINE = 2_000
"""Characters of a sentence that are shown: it may hold a value, and a value may be as long as a database takes."""


def shown(text: str, limit: int = 80) -> str:
    """Return user data for a terminal: quoted where it is not plain, without control characters, shortened."""
    plain = text[:limit].isprintable() and text and not set(text) & set(" \"'\\") and not text.startswith("-")
    if plain and len(text) <= limit:
        return text
    safe = "".join(c if c.isprintable() and c not in '"\\' else _escaped(c) for c in text[:limit])
    return f'"{safe}"' if len(text) <= limit else f'"{safe}…"'


def one_line(text: str, limit: int | None = LONGEST_LINE) -> str:
    """Return the text without line breaks or other control characters, shortened to `limit` characters of its own."""
    safe = "".join(c if c.isprintable() else _escaped(c) for c in text[:limit])
    return safe if limit is None or len(text) <= limit else f"{safe}…"


def _escaped(character: str) -> str:
    return "\\" + character if character in '"\\' else character.encode("unicode_escape").decode()


def value(thing: Any) -> str:
    """Return a column's value for a terminal."""
    return "NULL" if thing is None else shown(thing) if isinstance(thing, str) else str(thing)
