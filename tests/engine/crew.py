"""One of several runtimes on a store, which starts work of all kinds until it is killed; or the one that ends it all.

A stand-alone script, as the engine must not share a process with another SQLite:

    crew.py work TARGET SCHEMA SEED     start, wake, cancel and prune at random, until somebody kills the process
    crew.py drain TARGET SCHEMA SECONDS give all that waits what it waits for, until nothing runs, or for so long

`SCHEMA` is empty for SQLite. What happens is drawn from the seed; when it happens is up to the machine.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import duroxide  # type: ignore[import-untyped, unused-ignore]

from engine import driver

Json = Any
Step = list[Any]

NAMES = ("a", "b", "go")
KEYS = ("k", "k2", "kéy")
TEXTS = ("", "busy", driver.LOOKS_LIKE_EVENT, "🧽\n\"'", "x" * 300)
LEASE_MS = 1500
"""What a killed process held is free again this soon."""
BUSY = 40
"""As many instances may run at once before a process waits with the start of another one."""


def wait(rng: random.Random) -> Step:
    """A step that ends with what a worker, a timer or somebody outside does."""
    return rng.choice(
        (
            ["activity", rng.choice(TEXTS)],
            ["failing"],
            ["retry"],
            ["lingering", rng.choice((0.01, 0.2))],
            ["in session", rng.choice(NAMES)],
            ["timer", rng.choice((1, 30, 200, 1500))],
            ["event", rng.choice(NAMES)],
            ["letter", rng.choice(NAMES)],
        )
    )


def change(rng: random.Random) -> Step:
    """A step that changes the instance and waits for nothing."""
    return rng.choice(
        (
            ["key", rng.choice(KEYS), rng.choice(TEXTS)],
            ["clear key", rng.choice(KEYS)],
            ["clear keys"],
            ["status", rng.choice(TEXTS)],
            ["reset status"],
        )
    )


def branch(rng: random.Random, depth: int) -> Step:
    """A step that has others run: children, orchestrations on their own, several waits at once."""
    return rng.choice(
        (
            ["child", program(rng, depth - 1)],
            ["detached", rng.randrange(3), program(rng, depth - 1)],
            ["all", [wait(rng) for _ in range(rng.randrange(1, 4))]],
            ["race", wait(rng), wait(rng)],
            ["race", wait(rng), ["child", program(rng, depth - 1)]],
        )
    )


def program(rng: random.Random, depth: int) -> list[Step]:
    """Steps for `Program`; with the depth 0 it starts no others.

    No turn that schedules a child ends the execution: the engine drops the child's start then and may cancel it all the
    same, a message to nobody, which is a fault of its own.
    """
    steps: list[Step] = []
    for _ in range(rng.randrange(1, 5)):
        kind = rng.randrange(4)
        steps.append(branch(rng, depth) if kind == 0 and depth else change(rng) if kind == 1 else wait(rng))
    ends: list[list[Step]] = [[], [], [["raise", "by design"]]]
    if depth:
        ends.append([["again", program(rng, depth - 1)]])
    return [*steps, ["timer", 1], *rng.choice(ends)]


def opened(target: str, schema: str) -> tuple[Any, Any]:
    """The store as the engine sees it, and a client of it; whoever else opens it at the same moment may lock it."""
    deadline = time.monotonic() + driver.PATIENCE_MS / 1000
    while True:
        try:
            provider = driver.open_provider(target, schema or None)
            return provider, driver.PatientClient(duroxide.Client(provider))
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def wake(client: Any, instance: str, rng: random.Random) -> None:
    """Do something from outside to an instance that runs: an event, a letter, an end, a prune."""
    kind, name = rng.randrange(12), rng.choice(NAMES)
    if kind == 0 and instance.startswith("flat-"):
        client.cancel_instance(instance, "by the crew")
    elif kind == 1:
        with suppress(RuntimeError):  # it may have begun no execution yet
            client.prune_executions(instance, duroxide.PruneOptions(keep_last=1))
    elif kind < 7:
        client.raise_event(instance, name, {"by": "the crew"})
    else:
        client.enqueue_event(instance, name, {"by": "the crew"})


def work(target: str, schema: str, seed: int) -> None:
    """Work on the store until the process is killed."""
    rng = random.Random(seed)
    provider, client = opened(target, schema)
    runtime = driver.make_runtime(provider, dispatchers=2 if schema else 1, lease_ms=LEASE_MS)
    runtime.start()
    print(json.dumps({"ready": True}), file=sys.__stderr__, flush=True)
    number = 0
    while True:
        running = client.list_instances_by_status("Running")
        for instance in rng.sample(running, min(len(running), rng.randrange(4))):
            wake(client, instance, rng)
        if len(running) < BUSY:
            depth = rng.randrange(3)
            kind = "tree" if depth else "flat"
            client.start_orchestration(f"{kind}-{seed}-{number}", "Program", program(rng, depth))
            number += 1
        time.sleep(rng.choice((0, 0.02, 0.1)))


def drain(target: str, schema: str, seconds: float) -> list[str]:
    """Give all that waits what it waits for; return what still runs, or has messages, in the end."""
    provider, client = opened(target, schema)
    runtime = driver.make_runtime(provider, dispatchers=2 if schema else 1, lease_ms=LEASE_MS)
    runtime.start()
    deadline = time.monotonic() + seconds
    while True:
        running: list[str] = client.list_instances_by_status("Running")
        depths = client.get_queue_depths()
        waiting = depths.orchestrator_queue + depths.worker_queue
        if time.monotonic() > deadline or (not running and not waiting):
            runtime.shutdown(1000)
            return running
        for instance in running:
            for name in NAMES:
                client.raise_event(instance, name, {"by": "the crew"})
                client.enqueue_event(instance, name, {"by": "the crew"})
        time.sleep(1)


def main() -> None:
    """Do what the words say; print what came of it as JSON."""
    output = os.dup(1)
    os.dup2(2, 1)  # the engine logs to standard output
    kind, target, schema, number = sys.argv[1:]
    if kind == "work":
        work(target, schema, int(number))
    os.write(output, json.dumps(drain(target, schema, float(number))).encode() + b"\n")
    os._exit(0)


if __name__ == "__main__":
    main()
