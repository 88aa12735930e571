"""Databases of every encoding that the server has: commands find, repair and undo there what they do in UTF8."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from conftest import one_and_long
from engines.published import NEWEST, PublishedStore
from engines.published import SCHEMA as PUBLISHED
from holystone.duroxide.tables import REQUIRED_COLUMNS

from .helpers import Run, Sample

pytestmark = pytest.mark.slow


USUAL = "UTF8"
SOME = ("SQL_ASCII", "LATIN1", "EUC_JP")
CLIENT_ONLY = {"BIG5", "GB18030", "GBK", "JOHAB", "SHIFT_JIS_2004", "SJIS", "UHC"}
"""Encodings that a database cannot have, as the manual of PostgreSQL tells."""
WITHOUT_UTF8 = {"MULE_INTERNAL"}
"""Encodings whose databases refuse clients that use UTF8, as the engine does, so that no store can be in one."""
AS_TEXT = {
    "SQL_ASCII": "café",
    "LATIN1": "café",
    "EUC_JP": "注文",
}
"""Encoding -> an id that is written otherwise in it than in ASCII."""
DRIFT = "UPDATE executions SET status = 'Running' WHERE instance_id = 'completed'; "
RENAMED = (
    *(f"UPDATE {table} SET instance_id = {{name}} WHERE instance_id = {{old}}" for table in REQUIRED_COLUMNS),
    # Events name their instance as well.
    "UPDATE history SET event_data = replace(event_data, '\"' || {old} || '\"', '\"' || {name} || '\"')",
)


def encodings(server: Any) -> list[str]:
    with psycopg.connect(server.url()) as connection:
        names = connection.execute(
            "SELECT pg_encoding_to_char(number) FROM generate_series(0, 100) AS number"
        ).fetchall()
    return sorted({name for (name,) in names if name} - CLIENT_ONLY - WITHOUT_UTF8)


@contextmanager
def store_in(server: Any, encoding: str) -> Iterator[Sample]:
    """Yield a store that the engine made, in a database of this encoding."""
    name = f"encoding_{uuid.uuid4().hex}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        provider = sql.SQL("LOCALE_PROVIDER libc" if connection.info.server_version >= 150000 else "")
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C' {}").format(
                sql.Identifier(name), sql.Literal(encoding), provider
            )
        )
    url = server.url(name)
    try:
        PublishedStore(NEWEST, "postgresql").restore(url)
        yield Sample(url, PUBLISHED)
    finally:
        server.drop_database(name)


def found(run: Run, store: Sample) -> Any:
    """Return what is found, repaired and put back, less what is the store's own."""
    assert run("check", *store.words, "--level", "deep").status == 0
    store.execute(DRIFT)
    checked = run("check", *store.words, "--level", "deep", "--format", "json")
    assert checked.status == 1, checked.err
    for command in (["repair", "plan"], ["executions", "list"]):
        told = run(*command, *store.words)
        assert told.status == 0, told.err
    applied = run("repair", "apply", *store.words, "--yes", "--format", "json")
    assert (applied.status, applied.json["applied"]) == (0, 1), applied.err
    assert run("check", *store.words, "--level", "deep").status == 0
    undone = run("repair", "undo", *store.words, applied.json["run"], "--yes")
    assert undone.status == 0, undone.err
    return [(one["check"], one["instance_id"], one["observed"]) for one in checked.json["findings"]]


@pytest.mark.parametrize("encoding", one_and_long(SOME))
def test_database_of_an_encoding(run: Run, postgresql: Any, encoding: str) -> None:
    with store_in(postgresql, encoding) as store:
        [(check, instance, _)] = found(run, store)
        assert (check, instance) == ("E001", "completed")


@pytest.mark.parametrize("encoding", one_and_long(SOME))
def test_id_that_is_no_ascii(run: Run, postgresql: Any, encoding: str) -> None:
    with store_in(postgresql, encoding) as store:
        assert store.schema
        with psycopg.connect(
            store.target, client_encoding="UTF8", options=f"-csearch_path={store.schema}"
        ) as connection:
            for statement in RENAMED:
                connection.execute(statement.format(old="'completed'", name=f"'{AS_TEXT[encoding]}'").encode())
            connection.execute("UPDATE executions SET status = 'Running' WHERE instance_id = %s", (AS_TEXT[encoding],))
        checked = run("check", *store.words, "--level", "deep", "--format", "json")
        assert AS_TEXT[encoding] in {one["instance_id"] for one in checked.json["findings"] if one["check"] == "E001"}
        assert run("check", *store.words, "--instance", AS_TEXT[encoding]).status == 1
        assert run("executions", "show", *store.words, AS_TEXT[encoding]).status == 0
        assert run("why", *store.words, AS_TEXT[encoding]).status == 0
        applied = run("repair", "apply", *store.words, "--yes")
        assert applied.status == 0, applied.out
        assert run("check", *store.words, "--level", "deep").status == 0


def test_pattern_that_the_encoding_cannot_write(run: Run, postgresql: Any) -> None:
    with store_in(postgresql, "LATIN1") as store:
        refused = run("check", *store.words, "--instance", "注文")
        assert refused.status == 2
        assert "Traceback" not in refused.err
        assert "fault of holystone" not in refused.err


def test_bytes_that_are_no_text(run: Run, postgresql: Any) -> None:
    """A database without encoding keeps any bytes: they are told of by name, and the rest goes on."""
    with store_in(postgresql, "SQL_ASCII") as store:
        strange = "; ".join(statement.format(old="'failed'", name="E'caf\\xe9'") for statement in RENAMED)
        store.execute(f"SET client_encoding = SQL_ASCII; {strange}; {DRIFT}")
        checked = run("check", *store.words, "--level", "deep", "--format", "json")
        assert checked.out, checked.err
        assert "completed" in {one["instance_id"] for one in checked.json["findings"] if one["check"] == "E001"}
        text = run("check", *store.words, "--level", "deep")
        assert "Traceback" not in text.err
        assert "fault of holystone" not in text.err + text.out
        assert run("repair", "apply", *store.words, "--yes").status in (0, 1)


@pytest.mark.long
def test_every_encoding(run: Run, postgresql: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "UTF8")  # for what the test itself does: Python has no codec for some
    every = encodings(postgresql)
    assert len(every) > 30
    results = {}
    for encoding in every:
        with store_in(postgresql, encoding) as store:
            results[encoding] = found(run, store)
    assert {encoding: one for encoding, one in results.items() if one != results[USUAL]} == {}
