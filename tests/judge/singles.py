"""Single damages whose right value the store itself proves: each is to be repaired as safe.

That it is proven shows in the plan: a change, safe or not, gives the row the very value of before. Many are judged at
once, one in each instance, as what is wrong with one instance is no matter to another. The engine has no part in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from judge.damages import Damage, Rows, document, row, value
from judge.draw import one_drawn
from judge.patience import NoEndError, Run
from judge.stores import Place, Stores
from judge.treatment import Planned, plan_of

JUSTIFIED: Mapping[str, str] = {
    "only people can decide it": "the repair is never safe, by its declaration",
    "not all rows of the instance": "a row beside has no key that can be read, and may be anything",
    "nothing tells whether the column is wrong or the message": "what comes from outside may be for either instance",
    "nothing tells whether the message is wrong or the event": "only these two say what was asked",
}
"""Reasons of a plan for calling a right value unsafe that are no fault, by how they begin."""

Single = tuple[Damage, Planned]


def singles(stores: Stores, rounds: int, first_seed: int, run: Run[Any]) -> Iterator[Single]:
    """Yield what plans would do about damages, of which there are as many a round as there are instances.

    Where a plan comes to no end, that is told of each damage of the round.
    """
    rows = stores.original.rows()
    names = [one["instance_id"] for one in rows["instances"]]
    flavour = stores.flavour
    draws = {name: _single(flavour, rows, name) for name in names}
    for number in range(rounds):
        place = stores.copy(stores.original)
        try:
            seeds = {name: (first_seed * 1_000_003 + number) * 1_000 + index for index, name in enumerate(names)}
            drawn = [one_drawn(draws[name], seeds[name]) for name in names]
            chosen = [one for one in drawn if _is_alone(one, names) and _is_done(place, one)]
            yield from _planned(run, place, rows, chosen)
        except NoEndError as error:
            yield from ((one, Planned("no end", safe=False, right=True, why=str(error))) for one in chosen)
        finally:
            stores.drop(place)


def _single(flavour: str, rows: Rows, name: str) -> st.SearchStrategy[Damage]:
    some = [value(flavour, rows, name)] * 4 + [document(flavour, rows, name), row(flavour, rows, name)]
    return st.sampled_from(range(len(some))).flatmap(lambda number: some[number])


def _is_alone(damage: Damage, names: Sequence[str]) -> bool:
    """Whether a damage is about its own instance and no other one."""
    others = {*names, "nobody"} - {damage.instance}
    told = [value for _, values in damage.statements for value in values]
    named = any(other in value for value in told if isinstance(value, str) for other in others if other)
    return damage.instance in names and not named


def _is_done(place: Place, damage: Damage) -> bool:
    try:
        return place.execute(damage.statements) > 0
    except Exception:  # what the database refuses is no damage
        return False


def _planned(run: Run[Any], place: Place, rows: Any, chosen: Sequence[Damage]) -> Iterator[Single]:
    plans = run(plan_of, place, rows, {str(damage.instance) for damage in chosen})
    for damage in chosen:
        for planned in plans[str(damage.instance)]:
            yield damage, planned


def is_justified(planned: Planned) -> bool:
    """Whether a right value is rightly not called safe."""
    return any(str(planned.why).startswith(reason) for reason in JUSTIFIED)


def figures(found: Sequence[Single]) -> dict[str, list[int]]:
    """By check, of the damages whose right value is proven, how many are repaired as safe, and how many there are."""
    proven: Counter[str] = Counter(one.check for _, one in found if one.right)
    safe: Counter[str] = Counter(one.check for _, one in found if one.right and one.safe)
    return {check: [safe[check], proven[check]] for check in sorted(proven)}
