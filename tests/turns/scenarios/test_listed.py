"""The list of scenarios is true: each of the suite's names is a test here, or left out with a reason."""

from __future__ import annotations

from collections import Counter

from turns.scenarios.listing import COMMAND, PAGE, name_here, page, scenarios
from turns.scenarios.suite import LEFT_OUT, SUITE

AT_LEAST = 120


def test_each_name_is_restated_or_left_out() -> None:
    for group, names in SUITE.items():
        restated = {scenario.name for scenario in scenarios() if scenario.group == group}
        assert restated == {name_here(name) for name in names if name not in LEFT_OUT}, group


def test_no_name_is_there_twice() -> None:
    suite = Counter(name for names in SUITE.values() for name in names)
    here = Counter(scenario.name for scenario in scenarios())
    assert [name for names in (suite, here) for name, times in names.items() if times > 1] == []


def test_what_is_left_out_is_in_the_suite_and_has_a_reason() -> None:
    assert LEFT_OUT.keys() <= {name for names in SUITE.values() for name in names}
    assert all(why.endswith(".") for why in LEFT_OUT.values())


def test_enough_is_restated() -> None:
    assert len(scenarios()) >= AT_LEAST


def test_each_says_what_it_proves() -> None:
    words = [scenario.proves for scenario in scenarios()]
    assert [scenario.name for scenario in scenarios() if not scenario.proves.endswith(".")] == []
    assert len(set(words)) == len(words)


def test_each_runs_on_both_flavours() -> None:
    """The kit stands on a store of each flavour in turn."""
    assert [scenario.name for scenario in scenarios() if "kit" not in scenario.arguments] == []


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), f"run: {COMMAND}"
