"""The turn protocol under whatever clients, workers and deaths may come, on both flavours in lockstep."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from machine.machine import TurnProtocol

QUICK = settings(
    max_examples=4,
    stateful_step_count=22,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
# In CI the same examples each time, so that a failure says something of the change; other ones anywhere else.
LONG = settings(
    QUICK, max_examples=10, stateful_step_count=40, derandomize="CI" in os.environ, print_blob="CI" not in os.environ
)
EXHAUSTIVE = settings(LONG, max_examples=100)
THOROUGH = settings(LONG, max_examples=4)


def test_every_step_leaves_the_stores_as_they_must_be(machine: type[TurnProtocol]) -> None:
    run_state_machine_as_test(machine, settings=QUICK)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_many_more_steps(machine: type[TurnProtocol]) -> None:
    run_state_machine_as_test(machine, settings=LONG)


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
def test_very_many_steps(machine: type[TurnProtocol]) -> None:
    run_state_machine_as_test(machine, settings=EXHAUSTIVE)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_scan_after_every_step(machine: type[TurnProtocol]) -> None:
    machine.thorough = True
    run_state_machine_as_test(machine, settings=THOROUGH)
