"""The procedure: a store is damaged, checked, repaired; the engine goes on with both copies; the laws decide."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from itertools import filterfalse
from typing import Any

import psycopg

from judge import laws, treatment
from judge.bench import Bench
from judge.damages import Damage, Rows, statements
from judge.evidence import BELIEVED, PRUNED, is_believed, keys_told, without_evidence
from judge.laws import Outcome
from judge.messages import left_in
from judge.patience import NoEndError, Run, at_once
from judge.stores import Place, Stores
from judge.treatment import Repaired, Verdict

QUICK = (1.2, 5.0)
PATIENT = (3.0, 12.0)
"""How many seconds the engine may do nothing before it counts as done, and how many it has in all."""
NO_END = "no end"
"""What is broken where holystone comes to no end."""
ORIGINALS = 4
PENDING = 24


@dataclass
class Case:
    """One damaged store and what came of it."""

    damages: tuple[Damage, ...]
    refused: str | None = None
    verdict: Verdict | None = None
    repaired: Repaired | None = None
    afterwards: Verdict | None = None
    """What is said of the repaired store."""
    noticed: bool | None = None
    broken: dict[str, list[str]] = field(default_factory=dict)
    """By law, what breaks it."""
    excused: str | None = None
    tells: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        verdict, repaired = self.verdict, self.repaired
        return {
            "damages": [one.as_json() for one in self.damages],
            "refused": self.refused,
            "said": verdict and verdict.said,
            "findings": verdict and dict(verdict.findings),
            "reason": verdict and verdict.reason,
            "fault": (verdict and verdict.fault) or (repaired and repaired.fault),
            "changed": dict(repaired.changed) if repaired else {},
            "right": dict(repaired.right) if repaired else {},
            "changes": repaired.changes if repaired else [],
            "planned": [one.as_json() for one in repaired.planned] if repaired else [],
            "unmade": repaired.unmade if repaired else [],
            "refusal": repaired and repaired.refusal,
            "afterwards": self.afterwards and self.afterwards.said,
            "noticed": self.noticed,
            "broken": self.broken,
            "excused": self.excused,
            "tells": self.tells,
        }


@dataclass
class Played:
    """A store that the engine is going on with, and a copy of it from which it deletes."""

    stood: Future[Any]
    played: Future[Any]
    places: tuple[Place, Place]

    def outcome(self, bench: Bench) -> Outcome:
        stood, played = bench.answer(self.stood), bench.answer(self.played)
        return Outcome(stood, played, left_in(self.places[0]))


class Court:
    """Judges damages on one flavour of store."""

    def __init__(self, stores: Stores, *, sample: float = 0.2, run: Run[Any] = at_once) -> None:
        treatment.share_statements()
        self.stores = stores
        self._run = run
        self.sample = sample
        self.original = stores.original
        self.rows: Rows = self.original.rows()
        self.bench = Bench([row["instance_id"] for row in self.rows["instances"]] + ["new-work"])

    def close(self) -> None:
        self.bench.close()

    @cached_property
    def right(self) -> Outcome:
        """What the engine does with the original, each time alike."""
        places = [self.stores.copy(self.original) for _ in range(ORIGINALS)]
        outcomes = [one.outcome(self.bench) for one in [self._play(place, QUICK) for place in places]]
        if any(one.failed for one in outcomes):
            raise AssertionError("the engine does not come to its end with the original")
        if len({one.comparable() for one in outcomes}) > 1:
            raise AssertionError(f"the engine does not do the same twice: {laws.differs(outcomes[0], outcomes[1])}")
        self.later: Rows = places[0].rows()
        return outcomes[0]

    def judge(self, chosen: Iterable[tuple[Damage, ...]], patience: tuple[float, float] = QUICK) -> Iterator[Case]:
        """Yield a case for each tuple of damages, in their order; each is treated before the next is asked for."""
        pending: list[Iterator[Case | None]] = []
        for damages in chosen:
            one = self._steps(Case(damages), patience)
            next(one)
            pending.append(one)
            if len(pending) > PENDING:
                yield from _ended(pending.pop(0))
        for one in pending:
            yield from _ended(one)

    def _steps(self, case: Case, patience: tuple[float, float]) -> Iterator[Case | None]:
        """Treat a store and hand it to the engine; go on once others are treated, and yield the case."""
        right = self.right
        damaged = self.stores.copy(self.original)
        repaired: Place | None = None
        played: Played | None = None
        better: Played | None = None
        try:
            touched = damaged.execute(statements(case.damages))
            case.refused = None if touched else "nothing was touched"
        except (sqlite3.Error, psycopg.Error, OverflowError) as error:
            case.refused = str(error).splitlines()[0][:200]
        if case.refused is None:
            try:
                case.verdict = self._run(treatment.examine, damaged)
                if not case.verdict.clean:
                    repaired = self.stores.copy(damaged)
                    case.repaired = self._run(treatment.repair, repaired, self.rows)
                    if case.repaired.changed:
                        case.afterwards = self._run(treatment.examine, repaired)
            except NoEndError as error:
                case.verdict = case.verdict or Verdict("no end")
                case.broken[NO_END] = [str(error)]
            else:
                if case.verdict.clean or case.afterwards or random.random() < self.sample:
                    played = self._play(damaged, patience)
                if repaired is not None and case.afterwards:
                    better = self._play(repaired, patience)
        yield None
        if played is not None:
            self._decide(
                case, right, played.outcome(self.bench), None if better is None else better.outcome(self.bench)
            )
        in_use = [damaged, repaired, *(place for one in (played, better) if one is not None for place in one.places)]
        for place in {place for place in in_use if place is not None}:
            self.stores.drop(place)
        yield case

    def _play(self, place: Place, patience: tuple[float, float]) -> Played:
        other = self.stores.copy(place)
        return Played(self.bench.delete(other), self.bench.play(place, *patience), (place, other))

    def _decide(self, case: Case, right: Outcome, damaged: Outcome, repaired: Outcome | None) -> None:
        assert case.verdict is not None
        differences = laws.differs(right, damaged)
        case.noticed = bool(differences)
        case.tells = differences[:6]
        if repaired is not None and (worse := laws.worse(right, damaged, repaired)):
            case.broken["safe"] = worse
        on = damaged
        if repaired is not None and case.afterwards is not None and case.afterwards.clean:
            on, differences = repaired, laws.differs(right, repaired)
        elif not case.verdict.clean:
            return
        if differences:
            case.excused = without_evidence(case.damages, self.rows)
            if case.excused is None and not laws.differs(right, on, keys_told(self.rows)):
                case.excused = PRUNED
            if case.excused is None:
                case.broken["clean"] = differences

    def excused(self, failures: Sequence[Case]) -> list[Case]:
        """Return the cases that are failures all the same without those of their damages that leave no trace.

        The others are excused: by themselves the other damages harm nobody, or are seen.
        """
        left: list[Case] = []
        traced = [tuple(filterfalse(self._cannot_be_told, case.damages)) for case in failures]
        fewer = [damages for case, damages in zip(failures, traced, strict=True) if len(damages) < len(case.damages)]
        judged = iter(list(self.judge(fewer, PATIENT)))
        for case, damages in zip(failures, traced, strict=True):
            others = [one for one in case.damages if one not in damages]
            may_be_unsafe = bool(others) and all(is_believed(one, self.rows) for one in others)
            if (
                others
                and not {"clean", "safe"} & next(judged).broken.keys()
                and (may_be_unsafe or "safe" not in case.broken)
            ):
                case.excused = without_evidence(others, self.rows) or BELIEVED
                case.broken = {}
            else:
                left.append(case)
        return left

    def _cannot_be_told(self, damage: Damage) -> bool:
        return without_evidence([damage], self.rows) is not None or is_believed(damage, self.rows)

    def confirmed(self, suspects: Sequence[Case]) -> list[Case]:
        """Return the cases that break the same law again, in the same way, with more patience."""
        again = self.judge([case.damages for case in suspects], PATIENT)
        both = [_common(case, other) for case, other in zip(suspects, again, strict=True)]
        return [case for case in both if case.broken]

    def shrunk(self, failures: Sequence[Case]) -> list[Case]:
        """Return the cases, each with as few of its damages as break the same law."""
        smaller = list(failures)
        while tries := [(number, fewer) for number, case in enumerate(smaller) for fewer in _fewer(case)]:
            again = list(self.judge([fewer for _, fewer in tries], PATIENT))
            before = list(smaller)
            for (number, _), case in zip(tries, again, strict=True):
                if case.broken.keys() & before[number].broken.keys():
                    smaller[number] = case
            if smaller == before:
                break
        return smaller


def _ended(steps: Iterator[Case | None]) -> Iterator[Case]:
    case = next(steps)
    assert case is not None
    yield case


def _common(case: Case, other: Case) -> Case:
    """The case with what broke a law both times."""
    for law in list(case.broken):
        both = [line for line in case.broken[law] if line in other.broken.get(law, ())]
        if both:
            case.broken[law] = both
        else:
            del case.broken[law]
    return case


def _fewer(case: Case) -> Iterator[tuple[Damage, ...]]:
    """All but one of a case's damages, in each way."""
    if len(case.damages) > 1:
        for number in range(len(case.damages)):
            yield tuple(one for index, one in enumerate(case.damages) if index != number)
