"""Kill commands at random: `python tests/kills/run.py --flavour sqlite --command apply --count 100 --seed 1`.

Each kill is a line of the report: the scene, the signal, the moment on the timeline of a run that nobody disturbs, how
the command ended, and when that was by what the store holds: before it wrote, midway, or after all was written. What
does not hold afterwards is its `failure`. Half of the moments lie between the first write and the last one.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from judge.stores import Stores, stores_of
from kills.scenes import COMMANDS, Scenes
from kills.trials import Scene
from kills.victim import in_a_child, killed

SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM}
OVERTIME = 1.1
"""How far moments reach, as a multiple of the time that the command takes: some come when all is over."""

Line = dict[str, Any]


def trials(stores: Stores, commands: Sequence[str], signals: Sequence[str], count: int, seed: int) -> Iterator[Line]:
    """Kill each command so often by each signal, and yield a line of the report for each."""
    chance = random.Random(f"{stores.flavour} {seed}")
    scenes = Scenes(stores, chance, count)
    of = {command: scenes.of(command) for command in commands}
    gc.freeze()  # what is never looked at again stays shared between the processes
    for number in range(count):
        for command, signal_ in product(commands, signals):
            line = {"flavour": stores.flavour, "command": command, "signal": signal_, "seed": seed, "number": number}
            yield line | trial(stores, of[command][number % len(of[command])], SIGNALS[signal_], chance)


def trial(stores: Stores, scene: Scene, number: signal.Signals, chance: random.Random) -> Line:
    """Kill a scene's command once on a copy of its store, and return what came of it."""
    window = scene.timeline.writing if chance.random() < 0.5 else (0.0, OVERTIME * scene.timeline.end)
    moment, verifying = chance.uniform(*window), random.Random(chance.random())
    before = os.times()
    place = stores.copy(scene.place)
    ended = killed(scene.words(place), scene.timeline, moment, number)
    told: Line = {"scene": scene.name, "at": round(moment, 4), "status": ended.status, "marks": ended.marks.decode()}
    try:
        told["moment"] = in_a_child(lambda: scene.verify(place, number, ended, verifying), stores.directory)
    except AssertionError as failure:
        told |= {"moment": None, "failure": str(failure), "out": ended.out, "err": ended.err}
    stores.drop(place)
    told["processor_seconds"] = round(sum(os.times()[:4]) - sum(before[:4]), 2)
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--flavour", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--command", choices=COMMANDS, action="append")
    parser.add_argument("--signal", choices=SIGNALS, action="append")
    parser.add_argument("--count", type=int, default=100, help="kills of each command by each signal, on each flavour")
    parser.add_argument("--seed", type=int, default=None, help="the same stores and moments again")
    parser.add_argument("--report", type=Path, default=Path("kills.jsonl"), help="JSON lines; appended to")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else int(time.time())
    gc.set_threshold(100_000)  # as the program itself does
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left behind then
    moments: Counter[tuple[str, ...]] = Counter()
    with open(given.report, "a") as report, suppress(KeyboardInterrupt):
        for flavour in given.flavour or ["sqlite", "postgresql"]:
            with stores_of(flavour) as stores:
                for line in trials(stores, given.command or COMMANDS, given.signal or list(SIGNALS), given.count, seed):
                    report.write(json.dumps(line) + "\n")
                    report.flush()
                    moment = "FAILED" if "failure" in line else str(line["moment"])
                    moments[(flavour, line["command"], line["signal"], moment)] += 1
    print(f"seed {seed}")
    for (*what, moment), number in sorted(moments.items()):
        print(f"{' '.join(what):28}{moment:8}{number:5}")
    return 1 if any(moment == "FAILED" for *_, moment in moments) else 0


if __name__ == "__main__":
    sys.exit(main())
