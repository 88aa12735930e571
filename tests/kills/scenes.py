"""The commands that are killed, each on the stores that it is for, with what an undisturbed one does there."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable
from functools import cached_property, partial
from itertools import cycle, islice

from judge.stores import Place, Stores
from kills.stores import (
    command,
    done,
    drifted,
    looked_at,
    published,
    settle,
    with_journal,
    with_old_journal,
)
from kills.trials import Migrating, Repaired, Repairing, Scene, status_of
from kills.victim import Timeline, Victim, killed

COMMANDS = ("apply", "undo", "resume", "upgrade", "adopt")
STOPPED_RUNS = 6
"""Runs of apply and of undo that were killed at some row in their first half, to be resumed, at most."""

Words = Callable[[Place], list[str]]


class Scenes:
    """The scenes on a flavour, at most so many of each command; stores are made when the first scene needs them."""

    def __init__(self, stores: Stores, chance: random.Random, most: int) -> None:
        self._stores = stores
        self._chance = chance
        self._most = most

    def of(self, command: str) -> list[Scene]:
        """Return the scenes of a command."""
        scenes: list[Scene] = getattr(self, command)
        return scenes

    @cached_property
    def apply(self) -> list[Scene]:
        verify = Repairing("apply", self._repaired)
        apply = self._repairing("apply", self._drifted, verify)
        # An upgrade makes the journal too, and is killed more cheaply.
        return [apply, self._repairing("apply that makes the journal", self._bare, verify), apply, apply]

    @cached_property
    def undo(self) -> list[Scene]:
        place, run = self._applied
        return [self._repairing("undo", place, Repairing("undo", self._repaired, run), run)]

    @cached_property
    def resume(self) -> list[Scene]:
        apply, undo = self.apply[0], self.undo[0]
        stopped = islice(cycle([apply, undo]), min(STOPPED_RUNS, self._most))
        return [self._resuming(scene) for scene in stopped]

    @cached_property
    def upgrade(self) -> list[Scene]:
        old_journal = with_old_journal(self._stores, self._applied[0])
        return [
            self._migrating("upgrade of an old engine's store", self._published, "upgrade"),
            self._migrating("upgrade of an old journal", old_journal, "upgrade"),
        ]

    @cached_property
    def adopt(self) -> list[Scene]:
        return [
            self._migrating("adopt of an old engine's store", self._published, "adopt"),
            self._migrating("adopt", self._bare, "adopt"),
        ]

    # --- stores that several commands are for

    @cached_property
    def _bare(self) -> Place:
        return drifted(self._stores)

    @cached_property
    def _drifted(self) -> Place:
        return with_journal(self._stores, self._bare)

    @cached_property
    def _published(self) -> Place:
        return published(self._stores)

    @cached_property
    def _applied(self) -> tuple[Place, str]:
        """A store that was repaired, and the run."""
        place = self._stores.copy(self._drifted)
        report = json.loads(done(*command(place, "repair", "apply", "--yes", "--format", "json")))
        settle(place)
        return place, report["run"]

    @cached_property
    def _repaired(self) -> Repaired:
        with looked_at(self._drifted) as look:
            start, start_rows = look.contents(), look.rows()
        with looked_at(self._applied[0]) as look:
            return Repaired(start, start_rows, look.contents(), len(look.journal()))

    # --- scenes

    def _repairing(self, name: str, place: Place, verify: Repairing, *run: str) -> Scene:
        words = partial(_words, "repair", name.split()[0], [*run, "--yes"])
        return Scene(name, place, words, self._measured(place, words), verify)

    def _resuming(self, scene: Scene) -> Scene:
        """Return the scene of a resume of the command of a scene, which is killed for it while it writes."""
        while True:
            place = self._stores.copy(scene.place)
            moment = self._chance.uniform(*scene.timeline.writing)
            killed(scene.words(place), scene.timeline, moment, signal.SIGKILL)
            with looked_at(place) as look:
                journaled = len(look.journal())
            before = 0 if scene.name == "apply" else self._repaired.number
            if 0 < journaled - before <= self._repaired.number / 2:
                break
            self._stores.drop(place)
        settle(place)
        found = json.loads(done(*command(place, "repair", "log", "--format", "json")))["runs"]
        run = next(one["run"] for one in found if one["kind"] == scene.name)
        verify = Repairing(scene.name, self._repaired, run, journaled - before)
        return self._repairing(f"resume of {scene.name}", place, verify, run)

    def _migrating(self, name: str, place: Place, what: str) -> Scene:
        words = partial(_words, "migrate", what, [])
        with looked_at(place) as look:
            rows, start = look.contents(), look.everything()
        copy = self._stores.copy(place)
        done(*words(copy))
        with looked_at(copy) as look:
            whole = look.everything()
        verify = Migrating(words, rows, start, whole, status_of(copy))
        self._stores.drop(copy)
        return Scene(name, place, words, self._measured(place, words), verify)

    def _measured(self, place: Place, words: Words) -> Timeline:
        """Return the timeline of a command that nobody disturbs."""
        copy = self._stores.copy(place)
        ended = Victim(words(copy)).end()
        assert ended.status == 0, ended
        self._stores.drop(copy)
        return Timeline(ended.marks, ended.seconds)


def _words(group: str, name: str, words: list[str], place: Place) -> list[str]:
    return command(place, group, name, *words)
