"""Whether time grows with the store alone, and memory not at all: ``python -m bench.growth --executions N,…``.

A store of each size is made, read at each level, and taken away again. Printed are the time for a million events, which
stays the same where time is linear, and the peak memory. A million executions take 6 GB on SQLite, twice while made.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import store
from bench.check import HOLYSTONE, Run, measure, warm
from bench.postgresql_copy import copy_to_postgresql
from bench.since import Place

LEVELS = ("quick", "standard", "deep")
BYTES_OF_AN_EXECUTION = 6_000


@contextmanager
def made(executions: int, folder: Path, url: str | None) -> Iterator[Place]:
    """Yield a store of so many executions; SystemExit where the disk has no room for it."""
    room, needed = shutil.disk_usage(folder).free, executions * BYTES_OF_AN_EXECUTION * (3 if url else 1)
    if needed > room:
        raise SystemExit(
            f"{executions:,} executions need {needed / 1e9:.0f} GB in {folder}, which has {room / 1e9:.0f}"
        )
    path = folder / "growth.db"
    store.build(path, executions)
    if url is None:
        yield Place(str(path))
    else:
        import psycopg
        from psycopg import sql

        schema = f"bench_growth_{executions}"
        copy_to_postgresql(path, url, schema)
        path.unlink()
        try:
            yield Place(url, schema)
        finally:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
    path.unlink(missing_ok=True)


def events_of(place: Place) -> int:
    """Return how many events the store holds."""
    import sqlite3

    if place.schema is None:
        (count,) = (
            sqlite3.connect(f"file:{place.target}?mode=ro", uri=True).execute("SELECT count(*) FROM history").fetchone()
        )
        return int(count)
    import psycopg
    from psycopg import sql

    with psycopg.connect(place.target) as connection:
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(place.schema, "history")))
        (count,) = row.fetchone() or (0,)
        return int(count)


def read(place: Place, level: str) -> Run:
    """Return what a check took; SystemExit where it did not run, or found something."""
    if place.schema is None:
        warm(Path(place.target))
    run, said = measure([*HOLYSTONE, "check", *place.arguments(), "--level", level])
    if run.code:
        raise SystemExit(f"check --level {level}: exit {run.code}: {said}")
    return run


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--executions", default="100000,1000000", metavar="N,…", help="(default: %(default)s)")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="the least time of so many counts")
    parser.add_argument("--postgresql", metavar="URL", help="a database in which schemas may be made")
    given = parser.parse_args(argv)
    print(f"{'executions':>12}  {'events':>12}  " + "  ".join(f"{level:>24}" for level in LEVELS))
    print(f"{'':12}  {'':12}  " + "  ".join(f"{'s/M events':>10} {'cpu':>6} {'MB':>6}" for _ in LEVELS))
    for executions in map(int, given.executions.split(",")):
        with tempfile.TemporaryDirectory() as folder, made(executions, Path(folder), given.postgresql) as place:
            events = events_of(place)
            line = f"{executions:12,}  {events:12,}"
            for level in LEVELS:
                runs = [read(place, level) for _ in range(given.runs)]
                seconds = min(run.seconds for run in runs) / events * 1e6
                processor = min(run.processor for run in runs) / events * 1e6
                line += f"  {seconds:10.2f} {processor:6.2f} {max(run.bytes for run in runs) / 1e6:6.0f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
