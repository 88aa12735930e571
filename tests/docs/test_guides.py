"""Every command of every guide is run: on SQLite, and on PostgreSQL with the same exit status."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cli.conftest import *  # noqa: F403 (commands run in this process, and databases of their own)
from cli.conftest import new_database
from cli.helpers import SCHEMA, Sample, create
from holystone.demo.story import BACKFILL, OLD_ENGINE, write
from holystone.duroxide.tables import executions

sys.path.append(str(Path(__file__).parents[2] / "docs"))

from guide import GUIDES, Session, blocks, drifted_store, played

PAGES = sorted(GUIDES.glob("*.md"))
ON_A_STORE = [page for page in PAGES if "orders.db" in page.read_text()]
URL = re.compile(r"postgresql://\S+?/app")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder, beside a store that the guides begin with."""
    drifted_store(tmp_path / "orders.db")
    return tmp_path


@pytest.fixture
def database(postgresql: Any) -> Iterator[Sample]:
    """A database of the engine with the rows of the store that the guides begin with."""
    with new_database(postgresql) as (_, url):
        create(url, "--schema", SCHEMA)
        sample = Sample(url, SCHEMA)
        with sample.scribe() as scribe:
            write(scribe)
        sample.execute(OLD_ENGINE)
        sample.execute(BACKFILL)
        statuses = {status for (status,) in sample.rows(select(executions.c.status))}
        assert statuses == {"Completed", "Failed", "ContinuedAsNew", "Running"}
        yield sample


def ended(page: str, session: Session) -> list[tuple[str, int, str]]:
    return [(line, status, text) for _, line, status, text in played(page, session)]


def assert_ran(line: str, status: int, text: str) -> None:
    assert "Traceback" not in text, (line, text)
    assert "fault of holystone" not in text, (line, text)
    # A check may find something; what cannot run is told of in a sentence that no guide shows.
    assert "Error: " not in text, (line, text)
    assert status in (0, 1) or "nagios" in line, (line, status, text)


@pytest.mark.slow
@pytest.mark.parametrize("guide", PAGES, ids=lambda guide: guide.stem)
def test_its_commands_run_on_sqlite(guide: Path, folder: Path, database: Sample) -> None:
    page = guide.read_text()
    places = dict.fromkeys(URL.findall(page), shlex.quote(database.target))
    session = Session(folder, {**places, " duroxide": f" {SCHEMA}", "=duroxide": f"={SCHEMA}"})
    ran = ended(page, session)
    assert len(ran) == sum(len(block.commands) for block in blocks(page))
    for line, status, text in ran:
        assert_ran(line, status, text)


@pytest.mark.slow
@pytest.mark.parametrize("guide", ON_A_STORE, ids=lambda guide: guide.stem)
def test_its_transcripts_end_so_on_postgresql(
    guide: Path, folder: Path, database: Sample, postgresql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = guide.read_text()
    on_sqlite = [(line, status) for _, line, status, _ in played(page, Session(folder), ["console", "crontab"])]
    monkeypatch.setenv("HOLYSTONE_SCHEMA", SCHEMA)
    with new_database(postgresql) as (_, fresh):
        create(fresh, "--schema", SCHEMA)
        session = Session(folder, {"orders.db": shlex.quote(database.target), "fresh.db": shlex.quote(fresh)})
        for (line, expected), (_, again, status, text) in zip(
            on_sqlite, played(page, session, ["console", "crontab"]), strict=True
        ):
            assert line == again
            # What no version of PostgreSQL's provider has cannot be asked of it.
            if "core:" not in line:
                assert (line, status) == (line, expected), text


def test_each_guide_is_in_the_table() -> None:
    named = set(re.findall(r"\]\(([\w-]+\.md)\)", (GUIDES / "README.md").read_text()))
    assert named == {page.name for page in PAGES} - {"README.md"}


def test_no_other_language_holds_a_command() -> None:
    for page in PAGES:
        for block in blocks(page.read_text()):
            if not block.commands and block.name is None:
                assert "holystone " not in block.text, (page.name, block.text)
