"""Let the real engine go on with many stores at once, and tell what became of each.

A stand-alone script, as the engine must not share a process with another SQLite. It reads jobs from standard input, one
JSON object a line, and writes what came of each as a line of its own, in the order in which they end:

* `{"id", "do": "play", "target", "schema", "quiet", "bound"}`: what happens outside happens, a runtime works until
  nothing has changed for `quiet` seconds, or for `bound` seconds at most; then an orchestration is started afresh, and
  all is deleted that the engine lets go of.
* `{"id", "do": "delete", "target", "schema"}`: what the status API says, and which instances the engine would delete as
  they stand.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import duroxide  # type: ignore[import-untyped, unused-ignore]

from engine import driver

Json = Any
PROBE = "probe"
PROBE_MS = 2500
PATIENCE_SECONDS = 20.0
KEYS = ("a", "kept", "number", "only in 1", "overwritten", "turn")


class Runs:
    """How often each activity ran on one store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counted: Counter[str] = Counter()

    def counting(self, name: str, function: Callable[[Any, Json], Json]) -> Callable[[Any, Json], Json]:
        """The activity, which counts its runs by who asked for it and with what."""

        def counted(context: Any, value: Json) -> Json:
            with self._lock:
                self.counted[f"{context.instance_id} {context.execution_id} {name}({json.dumps(value)})"] += 1
            return function(context, value)

        return counted


def make_runtime(provider: Any, runs: Runs) -> Any:
    """A runtime that takes whatever there is to do, with one dispatcher of each kind: more lock each other out."""
    options = duroxide.RuntimeOptions(
        orchestration_concurrency=1,
        worker_concurrency=1,
        dispatcher_poll_interval_ms=40,
        log_level="off",
        worker_node_id="judge",
        worker_tag_filter=duroxide.TagFilter.ANY,
    )
    runtime = duroxide.Runtime(provider, options)
    for name, function in driver.ACTIVITIES.items():
        runtime.register_activity(name, runs.counting(name, function))
    for (name, version), generator in driver.ORCHESTRATIONS.items():
        if version is None:
            runtime.register_orchestration(name, generator)
        else:
            runtime.register_orchestration_versioned(name, version, generator)
    return runtime


def attempt(call: Callable[..., Json], *values: Any) -> Json:
    """What a call of the engine's returns, or the kind of its error."""
    try:
        return call(*values)
    except RuntimeError as error:
        return {"error": str(error)[:300]}


def status(client: Any, instance: str) -> Json:
    """What the status API says of an instance, which it reads from history."""
    said = attempt(client.get_status, instance)
    if isinstance(said, dict):
        return {"status": "Unreadable"}
    if said.status == "NotFound":
        return {"status": said.status}
    keys = {key: attempt(client.get_kv_value, instance, key) for key in KEYS}
    return {
        "status": said.status,
        "output": said.output,
        "error": None if said.error is None else said.error.strip().splitlines()[-1][:120],
        "custom_status": said.custom_status,
        "keys": {key: value for key, value in keys.items() if value is not None},
    }


def statuses(client: Any, known: list[str]) -> dict[str, Json]:
    """The status of all instances, those that are listed and those that were there before the damage."""
    listed = attempt(client.list_all_instances)
    instances = sorted({*known, *(listed if isinstance(listed, list) else ())})
    return {one: status(client, one) for one in instances}


def deleted(client: Any, instances: list[str]) -> list[str]:
    """Delete what the engine lets go of, in bulk and then one by one; return what is gone."""
    attempt(client.delete_instance_bulk, duroxide.InstanceFilter(limit=1000))
    left = attempt(client.list_all_instances)
    if not isinstance(left, list):
        return ["nothing: the store cannot list its instances"]
    for one in left:
        attempt(client.delete_instance, one, False)
    after = attempt(client.list_all_instances)
    return sorted({*instances} - {*(after if isinstance(after, list) else left)})


def raise_events(client: Any) -> list[Json]:
    """Let happen what happens outside; return what the engine refused."""
    refused = []
    for kind, instance, name in driver.JUDGED_EVENTS:
        call = client.raise_event if kind == "event" else client.enqueue_event
        said = attempt(call, instance, name, {"by": "the judge"})
        if said is not None:
            refused.append([instance, said])
    return refused


def settle(client: Any, runs: Runs, quiet: float, bound: float) -> float:
    """Wait until nothing changes any more; return the seconds that it took."""
    begun = changed = time.monotonic()
    last: Json = None
    while time.monotonic() - begun < bound and time.monotonic() - changed < quiet:
        time.sleep(0.15)
        metrics = driver.plain_data(attempt(client.get_system_metrics))
        depths = driver.plain_data(attempt(client.get_queue_depths))
        now = json.dumps([metrics, depths, sum(runs.counted.values())])
        if now != last:
            last, changed = now, time.monotonic()
    return time.monotonic() - begun


def play(given: Json) -> Json:
    """Let the engine go on with one store."""
    provider = driver.open_provider(given["target"], given["schema"])
    client = duroxide.Client(provider)
    instances = attempt(client.list_all_instances)
    refused = raise_events(client)
    runs = Runs()
    runtime = make_runtime(provider, runs)
    runtime.start()
    seconds = settle(client, runs, given["quiet"], given["bound"])
    counted = dict(runs.counted)
    started = attempt(client.start_orchestration, PROBE, "Work", 3)
    probe = started or attempt(client.wait_for_orchestration, PROBE, PROBE_MS)
    runtime.shutdown(200)
    known = [*given["known"], *(instances if isinstance(instances, list) else ())]
    found = statuses(client, known)
    found.pop(PROBE, None)
    return {
        "instances": found,
        "runs": counted,
        "refused": refused,
        "probe": not isinstance(probe, dict) and probe.status == "Completed",
        "deleted": [one for one in deleted(client, sorted(found)) if one != PROBE],
        "seconds": round(seconds, 2),
    }


def delete(given: Json) -> Json:
    """What the engine says of one store as it stands, and what it would let go of."""
    client = duroxide.Client(driver.open_provider(given["target"], given["schema"]))
    found = statuses(client, given["known"])
    return {"instances": found, "deleted": deleted(client, sorted(found))}


def perform(given: Json) -> Json:
    """Do one job; an error of the engine's is an answer, too: it could not open the store."""
    try:
        answer = play(given) if given["do"] == "play" else delete(given)
    except RuntimeError as error:
        answer = {"failed": str(error)[:500]}
    return {"id": given["id"], **answer}


def in_time(given: Json) -> Json:
    """Do one job, or say that the engine never came to its end: some calls of it wait without a bound."""
    answers: list[Json] = []
    thread = threading.Thread(target=lambda: answers.append(perform(given)), daemon=True)
    thread.start()
    thread.join(given.get("bound", 0) + PATIENCE_SECONDS)
    return answers[0] if answers else {"id": given["id"], "failed": "the engine does not come to an end"}


def main() -> None:
    """Take jobs until there are no more."""
    output, printing = os.dup(1), threading.Lock()
    os.dup2(2, 1)

    def work(line: str) -> None:
        answer = json.dumps(in_time(json.loads(line))).encode() + b"\n"
        with printing:
            os.write(output, answer)

    with ThreadPoolExecutor(max_workers=int(sys.argv[1])) as pool:
        for future in [pool.submit(work, line) for line in sys.stdin]:
            future.result()
    os._exit(0)


if __name__ == "__main__":
    main()
