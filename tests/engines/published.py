"""Small stores that published versions of the engine made: tests that use them need no Rust.

`make.py` makes them with the driver in `driver/`, which is built from crates.io, one package a version. They lie in one
archive, for they have most of their bytes in common.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

import psycopg

HERE = Path(__file__).parent
VERSIONS: tuple[str, ...] = (
    "0.1.1",
    "0.1.4",
    "0.1.8",
    "0.1.9",
    "0.1.14",
    "0.1.16",
    "0.1.17",
    "0.1.18",
    "0.1.19",
    "0.1.23",
    "0.1.24",
    "0.1.25",
    "0.1.26",
    "0.1.29",
    "0.1.32",
)
"""Versions of the engine's core that wrote otherwise than the one before, oldest first."""
NEWEST = VERSIONS[-1]
THROUGH_ALL = "-".join(VERSIONS)
UPGRADES: tuple[str, ...] = (*(f"{older}-{newer}" for older, newer in combinations(VERSIONS, 2)), THROUGH_ALL)
"""From each version to each newer one, and through all of them."""
PATHS: tuple[str, ...] = (*VERSIONS, *UPGRADES)
"""The versions that wrote a store, one after the other, joined by dashes."""
FLAVOURS = ("sqlite", "postgresql")
SCHEMA = "engine"
ARCHIVE = "stores.tar.xz"
SUFFIXES: Mapping[str, str] = {"sqlite": "db", "postgresql": "sql"}


@cache
def _archived(directory: Path) -> Mapping[str, bytes]:
    """The files of an archive, by name."""
    with tarfile.open(directory / ARCHIVE) as archive:
        return {member.name: content.read() for member in archive if (content := archive.extractfile(member))}


@dataclass(frozen=True)
class PublishedStore:
    """The store that versions of the engine's core made on a flavour, one after the other."""

    path: str
    flavour: str
    directory: Path = HERE / "stores"

    @property
    def content(self) -> bytes:
        """The store itself: a SQLite file, or what `pg_dump` wrote."""
        return _archived(self.directory)[f"{self.path}.{SUFFIXES[self.flavour]}"]

    @property
    def states(self) -> dict[str, str]:
        """Instance -> what the engine said of it in the end: Completed, Failed, Running, or Unreadable."""
        states: dict[str, str] = json.loads(_archived(self.directory)[f"{self.path}.{self.flavour}.json"])
        return states

    def unpack(self, file: Path) -> None:
        """Write a SQLite store to a file."""
        file.write_bytes(self.content)

    def restore(self, url: str) -> None:
        """Restore a PostgreSQL store into an empty database, as the schema `SCHEMA`."""
        # Lines that begin with a backslash are for psql alone.
        lines = self.content.decode("utf-8").splitlines()
        statements = "\n".join(line for line in lines if not line.startswith("\\"))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statements.encode())


STORES = tuple(PublishedStore(path, flavour) for path in PATHS for flavour in FLAVOURS)
