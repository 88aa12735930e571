"""`why` of pg_durable's instances, by their own ids: the engine's side, their row, and the nodes of their graph."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

import holystone
from cli.helpers import Run
from holystone.store import Store

from .conftest import Restore
from .ground import ENGINE, EXPECTED

RESTORED = [name for name in EXPECTED if name != "g14_satellite_029"]


@pytest.mark.parametrize("name", RESTORED)
def test_each_instance_has_a_sentence(restore: Restore, name: str) -> None:
    database = restore(name)
    store = Store.open(database.url, read_only=True)
    rows = {str(row["id"]): row for row in database.dump("df.instances")}
    nodes = database.dump("df.nodes")
    engines = {str(one) for (one,) in database.execute(f"SELECT instance_id FROM {ENGINE}.instances")}
    for instance in sorted(engines | rows.keys()):
        found = holystone.why(store, instance)
        assert found.sentence
        assert found.unseen == []
        root = instance.partition("::")[0]
        assert (found.pg_durable is not None) == (root in rows)
        if found.pg_durable is not None:
            assert (found.pg_durable.instance_id, found.pg_durable.status) == (root, rows[root]["status"])
            assert len(found.pg_durable.nodes) == min(100, sum(node["instance_id"] == root for node in nodes))
        if instance not in engines:  # D006, or one that is about to begin
            assert found.state in ("orphaned", "not-started")


def test_the_command_takes_its_id(run: Run, restore: Restore) -> None:
    database = restore("g1_sound")
    (instance, label) = database.execute("SELECT id, label FROM df.instances WHERE status = 'running' ORDER BY 1")[0]
    said = run("why", database.url, str(instance))
    assert (said.status, said.err) == (0, "")
    assert f"\npg_durable\n  {instance}  running" in said.out
    assert "\n  node " in said.out
    whole = run("why", database.url, str(instance), "--format", "json").json
    assert whole["pg_durable"]["label"] == label


def test_a_role_that_sees_its_own_rows_alone_is_told_so(run: Run, restore: Restore) -> None:
    """Row security would show it the instances that it has submitted, and hide the others as if they were not there."""
    database = restore("g1_sound")
    (instance,) = database.execute("SELECT id FROM df.instances ORDER BY 1")[0]
    database.execute("CREATE ROLE holystone_why LOGIN PASSWORD 'secret'")
    try:
        for schema in ("df", ENGINE):
            database.execute(f"GRANT USAGE ON SCHEMA {schema} TO holystone_why")
            database.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO holystone_why")
        url = make_url(database.url).set(username="holystone_why", password="secret")
        said = run("why", url.render_as_string(hide_password=False), str(instance), "--format", "json")
        assert said.status == 2
        assert "df.instances could not be read" in said.err
        assert [one["what"] for one in said.json["unseen"]] == ["df.instances"]
        assert said.json["state"] != "unknown"  # the engine's own tables are all in sight
    finally:
        database.execute("DROP OWNED BY holystone_why; DROP ROLE holystone_why")
