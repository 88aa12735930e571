"""Words for people: counts, ids and values as a terminal can show them."""

import re
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holystone.flavours.target import Target
from holystone.printable import one_line, shown, value
from holystone.render.messages import width
from holystone.store.open_store import OpenStore

if TYPE_CHECKING:
    from holystone.scan.unread import Unread


def counted(number: int, noun: str) -> str:
    """Return `1 row`, `12,345 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def not_looked_at(unread: "Sequence[Unread]") -> str:
    """Return in a sentence which rows could not be looked at: one of them by name, and how many there are."""
    first = one_line(min(f"{key_of(row.key)}: {row.reason}." for row in unread))
    return (
        f"Not looked at: {first}" if len(unread) == 1 else f"{len(unread)} rows were not looked at, among them {first}"
    )


def key_of(key: Mapping[str, Any]) -> str:
    """Return the key of a row: the instance, and what it is of that; what is of no instance is of the store."""
    if "instance_id" not in key:  # pg_durable's row of an instance has no other number
        return shown(str(key["id"])) if "id" in key else "the store"
    rest = [f"{name.removesuffix('_id')} {value(part)}" for name, part in key.items() if name != "instance_id"]
    instance_id = key.get("instance_id")
    return " ".join(["no instance" if instance_id is None else shown(str(instance_id)), *rest])


def command(store: OpenStore, words: str, *more: str) -> str:
    """Return the holystone command for this store, ready to paste; the password is left to fill in."""
    return _command(store.target, words, *more)


def with_target(target: Target, words: str) -> str:
    """Return what is to be done next, ready to paste: with the target in the place of TARGET."""
    named = target if target.schema_is_named else replace(target, schema=None)
    return _A_COMMAND.sub(lambda found: _command(named, found[1]), words)


_A_COMMAND = re.compile(r"holystone ([a-z ]+) TARGET\b")


def _command(place: Target, words: str, *more: str) -> str:
    target = str(place)
    line = ["holystone", *words.split(), f"./{target}" if target.startswith("-") else target, *more]
    if place.schema is not None:
        line += ["--schema", place.schema]
    return " ".join(map(quoted, line))


def quoted(word: str) -> str:
    """Return the word as a shell reads it; one with control characters in the form that bash and zsh decode."""
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_escaped, word))}'"


def _escaped(character: str) -> str:
    if character.isprintable() and character not in "'\\":
        return character
    # A byte of a word that is no UTF-8 stays that byte.
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def wrapped(text: str, indent: str = "", first: str | None = None) -> str:
    """Return prose folded to the width of a page."""
    begin = indent if first is None else first
    return textwrap.fill(
        text, width(), initial_indent=begin, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
