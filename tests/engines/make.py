"""Make the stores in `stores/` anew: python -m engines.make [DIRECTORY], from tests/, with cargo on the PATH.

The driver is built into a directory outside the tree: the one that CARGO_TARGET_DIR names, or a cache of the user's.
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from engines.published import HERE, PATHS, SCHEMA
from postgresql import Server, find_servers

_BUILD_SECONDS = 1_800
_RUN_SECONDS = 120


def build(core: str) -> Path:
    """Build the driver for a version of the engine's core, and return the program."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holystone" / "cargo"
    target = Path(os.environ.get("CARGO_TARGET_DIR") or cache)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    subprocess.run(
        ["cargo", "build", "--quiet"],
        cwd=HERE / "driver" / core,
        env=environment,
        check=True,
        timeout=_BUILD_SECONDS,
    )
    return target / "debug" / f"driver-{core.replace('.', '-')}"


def run(program: Path, *arguments: str) -> dict[str, str]:
    """Let a driver make a store, and return the state in which it left each instance."""
    environment = {**os.environ, "RUST_LOG": "off"}
    made = subprocess.run(
        [program, *arguments], env=environment, check=True, capture_output=True, text=True, timeout=_RUN_SECONDS
    )
    states: dict[str, str] = json.loads(made.stdout)
    return states


def run_in_turn(programs: Sequence[Path], *target: str) -> dict[str, str]:
    """Let the first driver make a store and others go on with it, and return the states in which the last left it."""
    states = run(programs[0], "make", *target)
    for program in programs[1:]:
        states = run(program, "continue", *target)
    return states


def make_sqlite(programs: Sequence[Path], file: Path) -> dict[str, str]:
    """Make a SQLite store in a file of its own, without the files that lie beside one in use."""
    file.touch()
    states = run_in_turn(programs, f"sqlite:{file}?mode=rwc")
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("VACUUM")
    return states


def make_postgresql(programs: Sequence[Path], server: Server, database: str, file: Path) -> dict[str, str]:
    """Make a PostgreSQL store, and write what `pg_dump` says of it to a file."""
    url = server.create_database(database)
    states = run_in_turn(programs, url, SCHEMA)
    dump: list[str | Path] = [
        server.bin_dir / "pg_dump",
        "--schema",
        SCHEMA,
        "--inserts",
        "--no-owner",
        "--no-privileges",
        url,
    ]
    file.write_bytes(subprocess.run(dump, check=True, capture_output=True).stdout)
    return states


def main(directory: Path) -> None:
    server = next(server for server in find_servers() if isinstance(server, Server))
    server.start()
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for path in PATHS:
            programs = [build(core) for core in path.split("-")]
            files = {suffix: Path(scratch) / f"{path}.{suffix}" for suffix in ("db", "sql")}
            states = make_sqlite(programs, files["db"])
            database = f"made_{path.replace('.', '_').replace('-', '_')}"
            if make_postgresql(programs, server, database, files["sql"]) != states:
                raise SystemExit(f"{path} left other states on PostgreSQL than on SQLite.")
            for suffix, file in files.items():
                (directory / f"{path}.{suffix}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
            (directory / f"{path}.json").write_text(json.dumps(states, indent=1, sort_keys=True) + "\n")
            print(path, len(states), "instances")
    server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "stores")
