"""Whatever the engine is made to do, and wherever it is stopped, no check finds anything in its store."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from engine.test_untouched import findings
from holystone.scan.check import Level

Step = list[Any]

NAMES = st.sampled_from(["a", "b", "go"])
KEYS = st.sampled_from(["k", "k2", "kéy", ""])
TEXTS = st.sampled_from(["", "busy", "x" * 300, '{"type":"OrchestrationCompleted"}', "🧽\n\"'"])

RUNNING_EXECUTIONS = st.one_of(
    st.builds(lambda value: ["activity", value], TEXTS),
    st.just(["failing"]),
    st.builds(lambda seconds: ["lingering", seconds], st.sampled_from([0.01, 0.2])),
    st.builds(lambda session: ["in session", session], NAMES),
    st.just(["tagged"]),
    st.builds(lambda ms: ["timer", ms], st.sampled_from([1, 30, 200, 86_400_000])),
    st.builds(lambda name: ["event", name], NAMES),
    st.builds(lambda name: ["letter", name], NAMES),
)
QUICK = st.one_of(
    st.builds(lambda key, value: ["key", key, value], KEYS, TEXTS),
    st.builds(lambda key: ["clear key", key], KEYS),
    st.just(["clear keys"]),
    st.builds(lambda text: ["status", text], TEXTS),
    st.just(["reset status"]),
    st.builds(lambda value: ["activity", value], TEXTS),
    st.just(["timer", 1]),
)


def ending(programs: st.SearchStrategy[list[Step]]) -> st.SearchStrategy[list[Step]]:
    """How a program goes on after its steps: it returns, raises, or continues as new with another program."""
    again = st.builds(lambda steps: [["again", steps]], programs)
    return st.one_of(st.just([]), st.just([]), st.just([["raise", "by design"]]), again)


def steps(programs: st.SearchStrategy[list[Step]]) -> st.SearchStrategy[list[Step]]:
    """Programs that may start others, as children or on their own."""
    branching = st.one_of(
        QUICK,
        QUICK,
        RUNNING_EXECUTIONS,
        st.builds(lambda inner: ["child", inner], programs),
        st.builds(lambda number, inner: ["detached", number, inner], st.integers(0, 3), programs),
        st.builds(lambda waits: ["all", waits], st.lists(RUNNING_EXECUTIONS, min_size=1, max_size=3)),
        st.builds(lambda first, second: ["race", first, second], RUNNING_EXECUTIONS, RUNNING_EXECUTIONS),
        st.builds(lambda first, inner: ["race", first, ["child", inner]], RUNNING_EXECUTIONS, programs),
    )
    return st.builds(lambda body, end: [*body, *end], st.lists(branching, max_size=5), ending(programs))


PROGRAMS = st.recursive(st.lists(QUICK, max_size=4), steps, max_leaves=8)
INSTANCES = [f"i{number}" for number in range(6)]
ACTS = st.one_of(
    st.builds(lambda name, at: ["event", at, name], NAMES, st.sampled_from(INSTANCES)),
    st.builds(lambda name, at: ["letter", at, name], NAMES, st.sampled_from(INSTANCES)),
    st.builds(lambda at: ["cancel", at], st.sampled_from(INSTANCES)),
    st.builds(lambda at, keep: ["prune", at, keep], st.sampled_from(INSTANCES), st.integers(1, 2)),
    st.builds(lambda at: ["delete", at], st.sampled_from(INSTANCES)),
    st.builds(lambda ms: ["wait", ms], st.sampled_from([5, 50, 200])),
    st.just(["restart"]),
)


@st.composite
def scripts(draw: st.DrawFn) -> list[Step]:
    """Acts in an order that the engine allows: nobody writes to an instance that was not started, or was deleted.

    An event to nobody halts the engine, or leaves a ghost: that is a fault of its own, with checks of its own.
    """
    acts: list[Step] = [["start", name, draw(PROGRAMS)] for name in INSTANCES]
    deleted: set[str] = set()
    for act in draw(st.lists(ACTS, max_size=12)):
        if act[1:2] and act[1] in deleted:
            continue
        if act[0] == "delete":
            deleted.add(act[1])
            acts.append(["wait", 100])  # what is on its way to it arrives first
        acts.append(act)
    acts.append(["wait", draw(st.sampled_from([0, 20, 300]))])
    return [*acts, draw(st.sampled_from([["die"], ["wait", 0]]))]


def never_started(made: EngineStore) -> set[str]:
    """The children that an ended parent scheduled in its last turn.

    Their start is dropped with the other messages of such a turn, but where the parent was cancelled the engine sends
    them a cancellation all the same: a message to nobody, which is a fault of its own.
    """
    children = set()
    known = {name for (name,) in made.execute("SELECT instance_id FROM instances")}
    for parent, data in made.execute("SELECT instance_id, event_data FROM history"):
        event = json.loads(data)
        if event["type"] == "SubOrchestrationScheduled":
            children.add(f"{parent}::{event['instance']}")
    return children - known


def unexpected(made: EngineStore, level: Level = Level.deep) -> list[tuple[str, str, int | None]]:
    """What the checks find, less the messages to children that never started, and the ghosts that they leave."""
    own = never_started(made)
    return [one for one in findings(made, level) if one[0] not in ("E007", "Q001") or one[1] not in own]


def play(engine_store: MakeStore, version: str, flavour: Flavour, script: list[Step]) -> EngineStore:
    made = engine_store(version, flavour, ())
    made.run("play", json.dumps(script))
    return made


def profile(examples: int) -> settings:
    # A failing script is not made smaller: each try is seconds of the engine's time.
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=examples < 10,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@profile(2)
@given(script=scripts(), version=st.sampled_from(ENGINES))
def test_a_few_workloads(engine_store: MakeStore, flavour: Flavour, script: list[Step], version: str) -> None:
    made = play(engine_store, version, flavour, script)
    assert unexpected(made) == []


@pytest.mark.long
@pytest.mark.timeout(1800)
@profile(40)
@given(script=scripts(), version=st.sampled_from(ENGINES))
def test_many_workloads_at_every_level(
    engine_store: MakeStore, flavour: Flavour, script: list[Step], version: str
) -> None:
    made = play(engine_store, version, flavour, script)
    for level in (Level.quick, Level.standard, Level.deep):
        assert unexpected(made, level) == []
