"""What is asked of a store on which a command was killed: each trial is one kill, and all that comes after it."""

from __future__ import annotations

import json
import random
import re
import shlex
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from contents import Contents
from judge.stores import Place
from kills.stores import Rows, command, done, holystone, looked_at, replayed
from kills.victim import WRITES, Ended, Timeline

BEFORE, MIDWAY, AFTER = "before", "midway", "after"
"""When a command was killed: before its first write, between that and its last one, after all of them."""
STOPPED = "Stopped; nothing more was done.\n"


@dataclass(frozen=True)
class Scene:
    """A command on a store, and what an undisturbed one makes of it.

    `verify` is given a store on which it was killed and how it ended, and returns when it was killed.
    """

    name: str
    place: Place
    words: Callable[[Place], list[str]]
    timeline: Timeline
    verify: Callable[[Place, signal.Signals, Ended, random.Random], str]


# --- repairs


@dataclass(frozen=True)
class Repaired:
    """The rows of a drifted store, before and after an apply that nobody disturbs, and how many it changes."""

    start: Contents
    start_rows: Rows
    whole: Contents
    number: int


@dataclass(frozen=True)
class Repairing:
    """Verifies an apply, an undo, or a resume of one of them, which had changed so many rows before.

    `run` is the run that is resumed, or that is undone.
    """

    kind: str
    repaired: Repaired
    run: str | None = None
    resumed_at: int | None = None

    def __call__(self, place: Place, number: signal.Signals, ended: Ended, chance: random.Random) -> str:
        found = self._found(place)
        with looked_at(place) as look:
            assert look.rows() == replayed(self.repaired.start_rows, look.journal()), "rows and journal do not agree"
        mine = next((run for run in found if run["kind"] == self.kind), None)
        rows = 0 if mine is None else len(mine["changes"])
        moment = BEFORE if rows == (self.resumed_at or 0) else MIDWAY if rows < self.repaired.number else AFTER
        if number == signal.SIGTERM:
            self._is_told(place, ended, mine, moment)
        self._is_gone_on_with(place, mine, chance)
        self._is_whole(place)
        return moment

    def _found(self, place: Place) -> list[dict[str, Any]]:
        """Return the runs of the journal, the latest first, none of which has been altered."""
        found: list[dict[str, Any]] = json.loads(done(*command(place, "repair", "log", "--format", "json")))["runs"]
        assert not any(run["altered"] or run["unreadable"] for run in found), found
        return found

    def _is_told(self, place: Place, ended: Ended, mine: dict[str, Any] | None, moment: str) -> None:
        """Assert that a command which was asked to end has said what it did, and how to go on and back."""
        if ended.status == -signal.SIGTERM and moment == BEFORE:  # it came before anything would heed it
            return
        if ended.status in (0, -signal.SIGTERM):  # or when all was done and said
            assert mine is not None, ended
            assert mine["finished_at_ms"] is not None, ended
            assert ", 0 left." in ended.out, ended
            return
        assert ended.status == 2, ended
        assert ended.err.endswith(STOPPED), ended
        assert "Traceback" not in ended.err, ended
        if mine is None or (self.resumed_at is not None and "Run " not in ended.err and moment == BEFORE):
            return
        rows = len(mine["changes"])
        verb = "repaired" if self.kind == "apply" else "put back"
        end = "was stopped" if mine["finished_at_ms"] is None else "has come to its end"
        counted = f"{rows} row{'' if rows == 1 else 's'} {verb}"
        if mine["finished_at_ms"] is not None and f"{counted}, 0 left." in ended.out:  # the report itself is out
            return
        assert f"Run {mine['run']} {end}: {counted}.\n" in ended.err, ended
        assert ("Go on: " in ended.err) == (mine["finished_at_ms"] is None), ended
        assert ("Way back: " in ended.err) == (self.kind == "apply"), ended
        for begin, name in (("Go on", "resume"), ("Way back", "undo")):
            if f"{begin}: " in ended.err:
                assert {"repair", name, mine["run"]} <= set(_printed(ended.err, begin)), ended

    def _is_gone_on_with(self, place: Place, mine: dict[str, Any] | None, chance: random.Random) -> None:
        """Go on as the journal says, or anew where there is nothing to go on with."""
        log = done(*command(place, "repair", "log"))
        if mine is None:
            again = ["apply", "--jobs", "1"] if self.kind == "apply" else ["undo", str(self.run)]
            done(*command(place, "repair", *again, "--yes"))
        elif mine["finished_at_ms"] is None:
            assert "interrupted" in next(line for line in log.splitlines() if line.startswith(mine["run"])), log
            go_on = [*_printed(log, "Go on"), *(["--jobs", "1"] if self.kind == "apply" else [])]
            if self.kind == "undo" and chance.random() < 0.5:
                go_on = command(place, "repair", "undo", mine["undoes"])
            done(*go_on, "--yes")
        else:
            assert "interrupted" not in log, log
            refused = holystone(*command(place, "repair", "resume", mine["run"], "--yes"))
            assert refused.status == 2, refused
            assert "has come to its end" in refused.err, refused

    def _is_whole(self, place: Place) -> None:
        """Assert that the rows are as after a run that nobody disturbs, and that there is a way back from there."""
        if self.kind == "apply":
            with looked_at(place) as look:
                assert look.contents() == self.repaired.whole, "the rows are others than after an undisturbed run"
            (run,) = self._found(place)
            assert len(run["changes"]) == self.repaired.number, run
            done(*command(place, "repair", "undo", run["run"], "--yes"))
        with looked_at(place) as look:
            assert look.contents() == self.repaired.start, "the rows are others than before the run"
            assert look.rows() == replayed(self.repaired.start_rows, look.journal())
        self._found(place)


def _printed(text: str, begin: str) -> list[str]:
    """Return the words of the command that a text tells its reader to type, without the name of the program."""
    (line,) = re.findall(rf"^ *{begin}: holystone (.*)$", text, re.MULTILINE)
    return shlex.split(line)


# --- migrations


@dataclass(frozen=True)
class Migrating:
    """Verifies an upgrade or an adoption of a store, which is `whole` after one that nobody disturbs."""

    words: Callable[[Place], list[str]]
    rows: Contents
    start: dict[str, Any] = field(repr=False)
    whole: dict[str, Any] = field(repr=False)
    status: dict[str, Any] = field(repr=False)

    def __call__(self, place: Place, number: signal.Signals, ended: Ended, chance: random.Random) -> str:
        status_of(place)
        with looked_at(place) as look:
            assert look.contents() == self.rows, "rows of the engine's have changed"
            now = look.everything()
        moment = AFTER if now == self.whole else MIDWAY if WRITES in ended.marks or now != self.start else BEFORE
        if number == signal.SIGTERM:
            if ended.status == 0:
                assert moment == AFTER, ended
            elif ended.status == -signal.SIGTERM:  # before anything would heed it, or when all was done and said
                assert moment == BEFORE or (moment == AFTER and ended.out), ended
            else:
                assert ended.status == 2, ended
                assert ended.err.endswith(STOPPED), ended
                assert "Traceback" not in ended.err, ended
        done(*self.words(place))
        assert status_of(place) == self.status
        with looked_at(place) as look:
            assert look.contents() == self.rows, "rows of the engine's have changed"
            assert look.everything() == self.whole, "the store is another than after an undisturbed run"
        return moment


def status_of(place: Place) -> dict[str, Any]:
    """Return what `migrate status` says, but for the time of an adoption."""
    found: dict[str, Any] = json.loads(done(*command(place, "migrate", "status", "--format", "json")))
    if found["adopted"]:
        del found["adopted"]["at_ms"]
    return found
