"""The forms in which a store can be named: those of SQLAlchemy, of libpq, and of sqlx, which the engine uses."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import make_url

from .helpers import SCHEMA, Run, Sample, assert_refused

pytestmark = pytest.mark.slow


POSTGRESQL = {
    "SQLAlchemy's": "postgresql://postgres@localhost/{db}?host={host}",
    "with the driver": "postgresql+psycopg://postgres@localhost/{db}?host={host}",
    "postgres://": "postgres://postgres@localhost/{db}?host={host}",
    "without a host": "postgresql://postgres@/{db}?host={host}",
    "all in the query": "postgresql:///?host={host}&dbname={db}&user=postgres",
    "a socket as the host": "postgresql://postgres@{quoted}/{db}",
    "a socket as the host with a port": "postgres://postgres@{quoted}:5432/{db}",
    "for sqlx": "postgresql://postgres@localhost/{db}?host={host}&statement-cache-capacity=0&ssl-mode=prefer",
    "options of sqlx": "postgresql://postgres@/{db}?host={host}&options[statement_timeout]=0&options=-c%20geqo%3Doff",
    "sslmode": "postgresql://postgres@/{db}?host={host}&sslmode=disable",
    "options": "postgresql://postgres@/{db}?host={host}&options=-c%20work_mem%3D8MB",
    "application_name": "postgresql://postgres@/{db}?host={host}&application_name=mine&connect_timeout=5",
    "several hosts": "postgresql://postgres@127.0.0.1:1,{quoted}:5432/{db}",
    "several hosts in the query": "postgresql://postgres@/{db}?host=127.0.0.1:1&host={host}:5432",
    "several hosts for writing": "postgresql://postgres@127.0.0.1:1,{quoted}/{db}?target_session_attrs=read-write",
    "a connection string": "host={host} dbname={db} user=postgres",
    "a connection string with a port": "host={host} port=5432 dbname='{db}' user = 'postgres'",
    "a connection string with several hosts": "dbname={db} user=postgres host=127.0.0.1,{host} port=1,5432",
    "a service": "service=store",
    "a service in a URL": "postgresql:///?service=store",
    "a service and more": "service=store sslmode=disable",
}


@pytest.mark.parametrize("form", POSTGRESQL)
def test_forms_of_a_database(
    run: Run, postgresql_store: Sample, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(postgresql_store.target)
    host = str(url.query["host"])
    services = tmp_path / "services"
    services.write_text(f"[store]\nhost={host}\ndbname={url.database}\nuser=postgres\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    target = POSTGRESQL[form].format(db=url.database, host=host, quoted=quote(host, safe=""))
    checked = run("check", target, "--schema", SCHEMA, "--level", "quick")
    assert checked.status == 0, checked
    monkeypatch.setenv("HOLYSTONE_SCHEMA", SCHEMA)
    assert run("migrate", "status", target).status == 0


SQLITE = {
    "a path": "{path}",
    "a path from here": "{name}",
    "SQLAlchemy's": "sqlite:///{name}",
    "SQLAlchemy's, from the root": "sqlite:///{path}",
    "with the driver": "sqlite+pysqlite:///{path}",
    "sqlx's": "sqlite:{path}",
    "sqlx's, from here": "sqlite:{name}",
    "sqlx's as a URL": "sqlite://{path}",
    "sqlx's as a URL, from here": "sqlite://{name}",
    "with a mode": "sqlite:{path}?mode=rwc",
    "read only": "sqlite://{path}?mode=ro&cache=private",
    "with percents": "sqlite://{quoted}",
}


@pytest.mark.parametrize("form", SQLITE)
def test_forms_of_a_file(run: Run, sqlite_store: Sample, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(sqlite_store.target)
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("HOLYSTONE_SCHEMA", "public")
    target = SQLITE[form].format(path=path, name=path.name, quoted=quote(str(path), safe=""))
    assert run("check", target).status == 0
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("target", ["sqlite::memory:", "sqlite://:memory:", "sqlite://", "sqlite:x.db?mode=memory"])
def test_memory_is_no_store(run: Run, target: str) -> None:
    assert_refused(run("check", target), "names no SQLite file")


@pytest.mark.parametrize(
    "target",
    [
        "host=localhost password=hunter2 dbname='open",
        "host=a,b port=1,2,3 password=hunter2",
        "host=localhost port=x password=hunter2",
        "postgresql://user:hunter2@a:1,b:x,c/db",
    ],
)
def test_what_cannot_be_read_gives_no_password_away(run: Run, target: str) -> None:
    refused = run("check", target)
    assert_refused(refused)
    assert "hunter2" not in refused.err
