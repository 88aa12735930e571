"""Small stores that published versions of the engine made, as files: tests that use them need no Rust.

`make.py` makes them with the driver in `driver/`, which is built from crates.io, one package a version.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
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
BEGUN = ("0.1.1", "0.1.8", "0.1.19", "0.1.24", "0.1.29")
"""Those whose stores the newest one goes on with."""
PATHS: tuple[str, ...] = (*VERSIONS, *(f"{core}-{NEWEST}" for core in BEGUN))
"""The versions that wrote a store, one after the other, joined by dashes."""
FLAVOURS = ("sqlite", "postgresql")
SCHEMA = "engine"


@dataclass(frozen=True)
class PublishedStore:
    """The store that versions of the engine's core made on a flavour, one after the other."""

    path: str
    flavour: str
    directory: Path = HERE / "stores"

    @property
    def file(self) -> Path:
        """The store itself: a SQLite file, or what `pg_dump` wrote; compressed."""
        return self.directory / f"{self.path}.{'db' if self.flavour == 'sqlite' else 'sql'}.gz"

    @property
    def states(self) -> dict[str, str]:
        """Instance -> the state in which the driver left it: Completed, Failed, Running or NotStarted."""
        states: dict[str, str] = json.loads(self.file.with_name(f"{self.path}.json").read_text(encoding="utf-8"))
        return states

    def unpack(self, file: Path) -> None:
        """Write a SQLite store to a file."""
        file.write_bytes(gzip.decompress(self.file.read_bytes()))

    def restore(self, url: str) -> None:
        """Restore a PostgreSQL store into an empty database, as the schema `SCHEMA`."""
        script = gzip.decompress(self.file.read_bytes()).decode("utf-8")
        # Lines that begin with a backslash are for psql alone.
        statements = "\n".join(line for line in script.splitlines() if not line.startswith("\\"))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statements.encode())


STORES = tuple(PublishedStore(path, flavour) for path in PATHS for flavour in FLAVOURS)
