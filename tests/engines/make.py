"""Make the stores in `stores/` anew: python -m engines.make [DIRECTORY], from tests/, with cargo on the PATH.

The driver is built into a directory outside the tree: the one that CARGO_TARGET_DIR names, or a cache of the user's.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from engines.published import ARCHIVE, FLAVOURS, HERE, PATHS, SCHEMA, SUFFIXES, UPGRADES, VERSIONS
from postgresql import Server, find_servers

PHASES = ("make", "change", "halt")
"""What a version does to a store of its own, each in a process that is not shut down."""
States = dict[str, str]
_BUILD_SECONDS = 1_800
_RUN_SECONDS = 180
_AT_ONCE = 6
"""Stores that are made side by side: most of the time each waits until nothing happens any more."""


def build(core: str) -> Path:
    """Build the driver for a version of the engine's core, and return the program."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holystone" / "cargo"
    target = Path(os.environ.get("CARGO_TARGET_DIR") or cache)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    command = ["cargo", "build", "--quiet", "--locked"]
    subprocess.run(command, cwd=HERE / "driver" / core, env=environment, check=True, timeout=_BUILD_SECONDS)
    return target / "debug" / f"driver-{core.replace('.', '-')}"


def run(program: Path, *arguments: str) -> States:
    """Let a driver go through a phase, and return what the engine says of each instance at its end."""
    environment = {**os.environ, "RUST_LOG": "off", "RUST_BACKTRACE": "0"}
    made = subprocess.run(
        [program, *arguments],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=_RUN_SECONDS,
    )
    states: States = json.loads(made.stdout)
    return states


def make_sqlite(path: str, programs: Sequence[Path], directory: Path) -> States:
    """Make a SQLite store, one file, and that of an upgrade from a copy of what its first version made."""
    file = directory / f"{path}.db"
    target = f"sqlite:{file}?mode=rwc"
    if path in VERSIONS:
        file.touch()
        states = [run(programs[0], phase, target) for phase in PHASES][-1]
    else:
        shutil.copy(directory / f"{path.split('-')[0]}.db", file)
        states = [run(program, "continue", target) for program in programs[1:]][-1]
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("VACUUM")
    return states


def make_postgresql(path: str, programs: Sequence[Path], directory: Path, server: Server) -> States:
    """Make a PostgreSQL store in the same way, and write what `pg_dump` says of it to a file."""
    database = _database(path)
    if path in VERSIONS:
        url = server.create_database(database)
        states = [run(programs[0], phase, url, SCHEMA) for phase in PHASES][-1]
    else:
        url = server.create_database(database, _database(path.split("-")[0]))
        states = [run(program, "continue", url, SCHEMA) for program in programs[1:]][-1]
    options = ["--schema", SCHEMA, "--inserts", "--no-owner", "--no-privileges"]
    dump: list[str | Path] = [server.bin_dir / "pg_dump", *options, url]
    (directory / f"{path}.sql").write_bytes(subprocess.run(dump, check=True, capture_output=True).stdout)
    return states


def _database(path: str) -> str:
    return "made_" + ("through_all" if path.count("-") > 1 else path.replace(".", "_").replace("-", "_"))


def make(paths: Sequence[str], programs: dict[str, Path], directory: Path, server: Server) -> None:
    """Make the stores of some paths on both flavours, some at once, each with a file of the states in which it is."""

    def make_one(one: tuple[str, str]) -> None:
        path, flavour = one
        of_path = [programs[core] for core in path.split("-")]
        if flavour == "sqlite":
            states = make_sqlite(path, of_path, directory)
        else:
            states = make_postgresql(path, of_path, directory, server)
        (directory / f"{path}.{flavour}.json").write_text(json.dumps(states, sort_keys=True), encoding="utf-8")
        print(path, flavour, len(states), "instances", flush=True)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(make_one, [(path, flavour) for path in paths for flavour in FLAVOURS]))


def pack(files: Path, archive: Path) -> None:
    """Put the stores into an archive, those of a flavour beside each other, which makes it small."""
    kinds = [*SUFFIXES.values(), *(f"{flavour}.json" for flavour in FLAVOURS)]
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for name in (f"{path}.{kind}" for kind in kinds for path in PATHS):
            content = (files / name).read_bytes()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))


def main(directory: Path) -> None:
    programs = {core: build(core) for core in VERSIONS}
    server = next(server for server in find_servers() if isinstance(server, Server))
    server.start()
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for paths in (VERSIONS, UPGRADES):
            make(paths, programs, Path(scratch), server)
        pack(Path(scratch), directory / ARCHIVE)
    server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "stores")
