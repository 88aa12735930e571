"""Let each version of the engine open the store of each, older or newer, and keep what became of it.

    cd tests && python -m engines.pairs [DIRECTORY]

with cargo on the PATH, or the drivers that `make` has built in a directory. It takes some minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from itertools import product
from pathlib import Path

from engines.make import build
from engines.published import FLAVOURS, HERE, SCHEMA, VERSIONS, PublishedStore
from postgresql import Server, find_servers

PAIRS = HERE / "stores" / "pairs.json"
_AT_ONCE = 8
_RUN_SECONDS = 180


@dataclass(frozen=True)
class Met:
    """What became of the store of one version when another one opened it, and went on with it.

    `refused` is what the engine said where it did not open it. `live` are the instances that the first version had left
    running, each with what the other one says of it in the end.
    """

    refused: str | None
    live: Mapping[str, str]


@cache
def met() -> Mapping[tuple[str, str, str], Met]:
    """Return what became of it, by the version that made the store, the one that opened it, and the flavour."""
    found = json.loads(PAIRS.read_text(encoding="utf-8"))
    named = {tuple(key.split()): Met(**one) for key, one in found.items()}
    return {(made, other, flavour): one for (made, other, flavour), one in named.items()}


def meet(program: Path, published: PublishedStore, words: list[str]) -> Met:
    """Let a driver go on with a store; `words` say where a copy of it is."""
    environment = {**os.environ, "RUST_LOG": "off", "RUST_BACKTRACE": "0"}
    ran = subprocess.run(
        [program, "continue", *words], env=environment, capture_output=True, text=True, timeout=_RUN_SECONDS
    )
    if ran.returncode != 0:
        return Met(ran.stderr.strip()[-300:], {})
    states = json.loads(ran.stdout)
    live = [instance for instance, state in published.states.items() if state == "Running"]
    return Met(None, {instance: states.get(instance, "NotFound") for instance in live})


def main(built: Path | None) -> None:
    """Try all pairs on both flavours."""
    names = {core: f"driver-{core.replace('.', '-')}" for core in VERSIONS}
    programs = {core: build(core) if built is None else built / name for core, name in names.items()}
    server = next(server for server in find_servers() if isinstance(server, Server))
    server.start()
    for core in VERSIONS:
        PublishedStore(core, "postgresql").restore(server.create_database(f"made_{core.replace('.', '_')}"))
    found: dict[str, Met] = {}
    with tempfile.TemporaryDirectory() as scratch:

        def try_one(pair: tuple[str, tuple[str, str]]) -> None:
            flavour, (older, newer) = pair
            published = PublishedStore(older, flavour)
            name = f"{older}_{newer}".replace(".", "_")
            if flavour == "sqlite":
                file = Path(scratch) / f"{name}.db"
                published.unpack(file)
                words = [f"sqlite:{file}?mode=rwc"]
            else:
                words = [server.create_database(f"met_{name}", f"made_{older.replace('.', '_')}"), SCHEMA]
            one = meet(programs[newer], published, words)
            found[f"{older} {newer} {flavour}"] = one
            if flavour == "sqlite":
                file.unlink()
            else:
                server.drop_database(f"met_{name}")
            print(older, newer, flavour, one.refused or "opened", flush=True)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(try_one, product(FLAVOURS, product(VERSIONS, VERSIONS))))
    server.stop()
    as_text = json.dumps({key: asdict(one) for key, one in sorted(found.items())}, separators=(",", ":"))
    PAIRS.write_text(as_text.replace("},", "},\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
