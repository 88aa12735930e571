"""What the demonstration does, step by step: an engine's drift, a backfill that makes it worse, the repair."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from holystone.demo.scribe import (
    Scribe,
    activity_completed,
    cancelled,
    completed,
    continued,
    failed,
    scheduled,
    started,
)
from holystone.duroxide.tables import worker_queue
from holystone.errors import HolystoneError
from holystone.migrate import create


@dataclass(frozen=True)
class Step:
    """One paragraph of the story, and the commands of holystone that show it."""

    says: str
    commands: Sequence[Sequence[str]]


# An early version of the engine wrote history and never touched the status again.
OLD_ENGINE = "UPDATE executions SET status = 'Running', output = NULL, completed_at = NULL"

# The backfill that was published for it: it matches whole instances, so one ended execution marks them all. It went by
# the column event_type, in which the engine keeps no type on PostgreSQL; by the events it does the same on both.
BACKFILL = """
UPDATE executions SET status = 'Completed' WHERE instance_id IN
    (SELECT instance_id FROM history WHERE event_data LIKE '%"type":"OrchestrationCompleted"%');
UPDATE executions SET status = 'Failed' WHERE instance_id IN
    (SELECT instance_id FROM history WHERE event_data LIKE '%"type":"OrchestrationFailed"%');
UPDATE executions SET status = 'ContinuedAsNew' WHERE instance_id IN
    (SELECT instance_id FROM history WHERE event_data LIKE '%"type":"OrchestrationContinuedAsNew"%');
"""


def build(path: Path) -> None:
    """Make a small healthy store at `path`, where nothing may be yet: finished, failed, cancelled and live orders."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HolystoneError(
            f"{path} cannot be made: {(error.strerror or str(error)).lower()}.", "Name another directory."
        ) from None
    if os.path.lexists(path):
        raise HolystoneError(f"{path} is there already.", "Name an empty directory, or none at all.")
    store = create(str(path))
    with store.transaction() as connection:
        write(Scribe(connection, store.flavour))


def write(scribe: Scribe) -> None:
    """Write the rows of the store as it is while all is well."""
    work = (started(), scheduled(), activity_completed())
    for number in range(1, 6):
        scribe.execution(f"order-{number}", *work, completed(f'"shipped {number}"'))
    scribe.execution("order-6", *work, failed("card declined"))
    scribe.execution("order-7", *work, cancelled("customer called"))
    scribe.execution("order-8", started(), scheduled())
    # A loop that lives for ever: each round is an execution, and the last one is live.
    scribe.execution("meter-42", started("Meter", "1"), continued("2"))
    scribe.execution("meter-42", started("Meter", "2"), continued("3"), execution_id=2)
    scribe.execution("meter-42", started("Meter", "3"), scheduled("Read"), execution_id=3)
    # Its activity has been run, and the answer waits for a dispatcher.
    scribe.remove(worker_queue, {"instance_id": "meter-42"})
    reading = {"instance": "meter-42", "execution_id": 3, "id": 2, "result": "7"}
    scribe.message("meter-42", {"ActivityCompleted": reading})


def drift(path: Path, script: str) -> None:
    """Run SQL on the store by hand, as nobody should."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def story(path: Path) -> Iterator[Step]:
    """Yield the steps; what the next one shows has been done to the store when it is yielded.

    The commands name the store by `path`; the undo's run is filled in by whoever runs them.
    """
    store = str(path)
    build(path)
    yield Step(
        "A small store: seven orders that have ended, one under way, and a meter that runs for ever.",
        [["check", store]],
    )
    drift(path, OLD_ENGINE)
    yield Step("An old version of the engine wrote the history and never updated the status.", [["check", store]])
    drift(path, BACKFILL)
    yield Step(
        "The published backfill goes by instance, not by execution. The meter's third execution is live, "
        "and now looks ended: the engine's next bulk delete would destroy it.",
        [["check", store]],
    )
    yield Step("A plan says exactly which rows would change. It writes nothing.", [["repair", "plan", store]])
    yield Step(
        "Apply changes each row that still is as planned, and journals it.", [["repair", "apply", store, "--yes"]]
    )
    yield Step("What the store says and what its history says are one again.", [["check", store]])
    yield Step("And there is a way back.", [["repair", "undo", store, "RUN", "--yes"]])
