"""Plans that somebody has edited, their hashes made right: refused in words, and nothing but what is planned anew."""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from conftest import marks_of
from holystone.duroxide.tables import OF_INSTANCES

from .helpers import GHOST, STALE, Result, Run, Sample
from .hostile import edited, why_wrong

pytestmark = pytest.mark.slow


UNSAFE = ("--unsafe", "remove-ghost")


def with_right_hash(text: str) -> str:
    """Return the text with the hash that its own content has, where it can have one."""
    try:
        document = json.loads(text)
        changes = [{"unsafe_because": None, **change} for change in document["changes"]]
        content = json.dumps([document["store"], changes], sort_keys=True)
        right = hashlib.sha256(content.encode()).hexdigest()[:16]
        return text.replace(f'"plan": {json.dumps(document["plan"])}', f'"plan": "{right}"')
    except (ValueError, TypeError, KeyError, RecursionError):
        return text


@pytest.fixture
def spoiled(request: pytest.FixtureRequest) -> Sample:
    """A store whose plan changes a row and removes one."""
    store: Sample = request.getfixturevalue(f"{request.param}_store")
    store.execute(STALE + GHOST)
    return store


@pytest.fixture
def plan(run: Run, spoiled: Sample, tmp_path: Path) -> Path:
    file = tmp_path / "plan.json"
    assert run("repair", "plan", *spoiled.words, "-o", str(file)).status == 0
    return file


def apply(run: Run, store: Sample, plan: Path, *words: str) -> Result:
    return run("repair", "apply", store.target, str(plan), *store.words[1:], *words)


def rows(store: Sample) -> set[Any]:
    return {(table.name, row) for table in OF_INSTANCES for row in store.rows(select(table))}


def why_not_as_planned(before: set[Any], after: set[Any], planned: set[Any], status: int) -> str | None:
    """Return what was written beyond the plan as it was made, which leaves the rows `planned`; None for nothing."""
    if after - before - planned or before - after - (before - planned):
        return "it writes something else than what is planned"
    return "it is refused, and writes" if status == 2 and before != after else None


PARTS = 92
"""How many tests share the edits out; the default tests make one of them."""
SAMPLES = [(flavour, part) for flavour in ("sqlite", "postgresql") for part in range(PARTS)]


@pytest.mark.parametrize(
    ("spoiled", "part"),
    [pytest.param(*one, marks=marks_of(number, 60)) for number, one in enumerate(SAMPLES)],
    indirect=["spoiled"],
)
def test_an_edited_plan_writes_nothing_else(run: Run, spoiled: Sample, plan: Path, part: int) -> None:
    edits = list(islice(edited(plan.read_text()), part, None, PARTS))
    before = rows(spoiled)
    planned = set_right(run, spoiled, plan, before)
    wrong: dict[Any, str] = {}
    for name, way, text in edits:
        plan.write_text(with_right_hash(text))
        applied = apply(run, spoiled, plan, *UNSAFE)
        after = rows(spoiled)
        if why := why_wrong(applied) or why_not_as_planned(before, after, planned, applied.status):
            wrong[name, way] = why
        if after != before:
            put_back(run, spoiled, before)
    assert not wrong


def set_right(run: Run, store: Sample, plan: Path, before: set[Any]) -> set[Any]:
    """Return the rows that the plan leaves; they are put back."""
    assert apply(run, store, plan, *UNSAFE).status == 0
    planned = rows(store)
    assert planned != before
    put_back(run, store, before)
    return planned


def put_back(run: Run, store: Sample, before: set[Any]) -> None:
    latest = run("repair", "log", *store.words, "--format", "json").json["runs"][0]["run"]
    assert run("repair", "undo", *store.words, latest, "--yes").status == 0
    assert rows(store) == before
