"""Which stores a word of the command line names: one, those of a folder or a pattern, or all of a database."""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from msgspec import Struct
from sqlalchemy.exc import DBAPIError

from holystone.errors import HolystoneError, TargetError
from holystone.flavours import flavour_of
from holystone.flavours.postgresql import discovery
from holystone.flavours.sqlite.file import is_database_file
from holystone.flavours.target import WILD, Target, is_url, may_hold_password

_ALIKE = 0.8
"""How much of a name is the same in one that may be meant, as difflib has it."""


class Candidate(Struct, frozen=True):
    """What may be a store: `named` by a user's word itself, or come upon where that says to look."""

    target: Target
    named: bool


def is_one(word: str) -> bool:
    """Return whether a word names one store, and not a folder or a pattern of files."""
    return is_url(word) or not (os.path.isdir(word) or _is_pattern(word))


def _is_pattern(word: str) -> bool:
    """Return whether a word is a pattern of files, and neither a file nor a mistyped URL that has a `?`."""
    if not WILD.search(word) or "\0" in word or os.path.lexists(word):
        return False
    return not may_hold_password(word) or any(True for _ in glob.iglob(word, recursive=True))


def place(word: str, parse: Callable[[str], Target]) -> str:
    """Return the word as it may be printed: without any password; HolystoneError where it names nothing."""
    return str(parse(word)) if is_one(word) else word


def candidates(word: str, parse: Callable[[str], Target], *, all_schemas: bool) -> Iterator[Candidate]:
    """Yield what may be a store, by name.

    A folder stands for the SQLite files in it, not for those in its folders; a pattern with `*`, `?` or `**` for the
    SQLite files that match; and a database, with `all_schemas`, for its schemas that hold the engine's tables. `parse`
    makes a target of the name of one store. HolystoneError where the place that the word names cannot be looked at.
    """
    if not is_one(word):
        for path in sorted(_files(word)):
            if is_database_file(path):
                yield Candidate(parse(str(path)), named=False)
        return
    target = parse(word)
    if target.url is None or not all_schemas:
        yield Candidate(target, named=True)
        return
    for name in stored_schemas(target):
        yield Candidate(replace(target, schema=name, schema_is_named=True), named=False)


def stored_schemas(target: Target) -> Sequence[str]:
    """Return the schemas of a PostgreSQL database that hold the engine's tables, by name."""
    flavour = flavour_of(target)
    try:
        with flavour.create_engine(read_only=True).begin() as connection:
            return discovery.stores(connection)
    except DBAPIError as error:
        raise flavour.translate_error(error) from error


def spelt_alike(target: Target) -> list[str]:
    """Return the stores that lie beside a new file and may have been meant; none where its folder cannot be read.

    Of a schema that is not there whoever opens it is told, and of one that is there nobody has misspelt the name.
    """
    if target.path is None:
        return []
    try:
        files = {path.name: path for path in _files(str(target.path.parent)) if path != target.path}
    except HolystoneError:
        return []
    close = get_close_matches(target.path.name, files, cutoff=_ALIKE)
    return [str(files[name]) for name in close if is_database_file(files[name])]


def none_in(place: str) -> HolystoneError:
    """Return the error to raise where there is no store in a place that a word names."""
    return TargetError(
        f"No store of duroxide is in {place}.",
        "Name the folder of the engine's SQLite files, a pattern such as 'data/**/*.db', or a database.",
    )


def _files(word: str) -> Iterator[Path]:
    if not os.path.isdir(word):
        yield from map(Path, glob.iglob(word, recursive=True))
        return
    try:
        yield from Path(word).iterdir()
    except OSError as error:
        raise TargetError(f"{word} cannot be read: {os.strerror(error.errno or 0)}.", "Name another folder.") from None
