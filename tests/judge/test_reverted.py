"""The judge must be one that the faults of the past fail: each is caught once what mended it is taken away."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from conftest import FLAVOURS, available
from engine.engines import ENGINES
from judge.court import PATIENT, Court
from judge.damages import Damage
from judge.reverted import ELSEWHERE, FAULTS
from judge.stores import stores_of

TESTS = Path(__file__).parents[1]


@pytest.mark.long
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_each_fault_is_caught_that_is_put_back(flavour: str) -> None:
    available(ENGINES[-1])
    faults = [fault for fault in FAULTS if flavour in fault.shown]

    def put_back() -> Iterator[tuple[Damage, ...]]:
        for fault in faults:
            with pytest.MonkeyPatch.context() as patch:
                fault.mended(patch)
                yield fault.damages(flavour)

    with stores_of(flavour) as stores:
        court = Court(stores, sample=0)
        cases = list(court.judge(chain([fault.damages(flavour) for fault in faults], put_back()), PATIENT))
        court.close()
    mended, reverted = cases[: len(faults)], cases[len(faults) :]
    assert {case.damages[0].says: case.refused for case in cases if case.refused} == {}
    assert {case.damages[0].says: case.broken for case in mended if case.broken} == {}
    assert [fault.seen for fault, case in zip(faults, reverted, strict=True) if fault.word not in case.broken] == []


@pytest.mark.parametrize("seen", ELSEWHERE)
def test_what_the_judge_cannot_see_has_a_test_of_its_own(seen: str) -> None:
    _, test = ELSEWHERE[seen]
    file, name = test.split("::")
    assert f"def {name}(" in (TESTS / file).read_text()
