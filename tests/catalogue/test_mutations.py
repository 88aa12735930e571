"""Each case notices when its check is spoilt: a predicate turned round or cut off, expectations left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import True_, false, not_

from catalogue.conftest import Prepare
from catalogue.sources import ON_EACH_FLAVOUR, case_of
from holystone.scan.check import Check
from holystone.scan.relations.extension_node_states import EXTENSION_NODE_STATES
from holystone.scan.result import Verdict
from holystone.scan.scan import Scan
from holystone.store import Store

Spoil = Callable[[Check], Check]


def turned_round(check: Check) -> Check:
    """Suspects what it should not, and nothing that it should."""
    return replace(check, violated=lambda source: not_(check.violated(source)))


def cut_off(check: Check) -> Check:
    """Suspects nothing."""
    return replace(check, violated=lambda source: false())


def without_expectations(check: Check) -> Check:
    """Expects nothing of any row."""
    return replace(check, expects=lambda facts: [])


def content_with_anything(check: Check) -> Check:
    """Expects of each row what it has."""

    return replace(check, expects=lambda facts: [one.expecting(one.observed) for one in check.expects(facts)])


SPOILT: dict[str, Spoil] = {
    spoil.__name__: spoil for spoil in (turned_round, cut_off, without_expectations, content_with_anything)
}


@pytest.mark.long
@pytest.mark.parametrize(("check", "flavour"), ON_EACH_FLAVOUR)
def test_case_notices_a_spoilt_check(check: Check, flavour: str, prepare: Prepare) -> None:
    case = case_of(check)
    store = prepare(flavour, case.broken, own=case.alters_schema).store
    assert found(store, check) == len(case.findings)
    unnoticed = [name for name, spoil in SPOILT.items() if found(store, spoil(check)) == len(case.findings)]
    assert unnoticed == ([] if has_predicate(check) else ["turned_round", "cut_off"])


def found(store: Store, check: Check) -> int:
    scan = Scan(store, [check])
    number = len(list(scan))
    assert scan.verdict is not Verdict.incomplete, scan.results[check.id].reason
    return number


def has_predicate(check: Check) -> bool:
    """Whether SQL tells which rows are suspects: where the relation does, a spoilt condition makes no difference."""
    nothing: Any = None
    if check.relations[0] is EXTENSION_NODE_STATES:
        return True  # all of its rows are suspects, and the condition says so
    try:
        return not isinstance(check.violated(nothing), True_)
    except AttributeError:
        return True
