"""Stores that published versions of the engine made, and nobody touched, are clean at every level."""

from __future__ import annotations

from sqlalchemy import func, insert, or_, select

from engines.published import THROUGH_ALL, PublishedStore
from holystone.demo.scribe import BEGUN_MS
from holystone.duroxide.engine_version import parsed
from holystone.duroxide.release import Rule
from holystone.duroxide.releases import LAST_REMOVAL, REMOVED, since
from holystone.duroxide.tables import executions, history, instances, orchestrator_queue
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level, Severity
from holystone.scan.result import Outcome
from holystone.scan.scan import Scan
from holystone.store import Store

Found = set[tuple[str, str | None]]
"""Check and instance of what a scan found."""


def left_by_upgrades(published: PublishedStore, store: Store, last: str | None = None) -> Found:
    """What an upgrade of the engine leaves wrong: the newest engine reads it otherwise than it was meant, or not.

    `last` is the version that has migrated the store last, where that is not the last one that made it.
    """
    newest = parsed(last or published.path.split("-")[-1])
    left: Found = set()
    with store.snapshot() as connection:
        if published.flavour == "sqlite" and newest >= since(Rule.completed_at_in_ms):
            # Text, which the newer engine reads as none; PostgreSQL has had one type all along.
            dated = select(executions.c.instance_id).where(func.typeof(executions.c.completed_at) == "text")
            # How an execution ended that ended so, is not known any more, and so neither is when.
            failures = [history.c.event_data.contains(f'"{kind}"') for kind in REMOVED - {"SystemCall"}]
            untold = select(history.c.instance_id).where(or_(*failures))
            ended = {*connection.execute(dated).scalars()} - {*connection.execute(untold).scalars()}
            left |= {("E005", instance) for instance in ended}
        if "parent_instance_id" in store.columns["instances"]:
            # Children from before there was a column for the link, which no upgrade fills.
            unlinked = select(instances.c.instance_id).where(
                instances.c.instance_id.contains("::sub::"), instances.c.parent_instance_id.is_(None)
            )
            left |= {("I005", instance) for instance in connection.execute(unlinked).scalars()}
        if newest >= LAST_REMOVAL:
            removed = [history.c.event_data.contains(f'"{kind}"') for kind in REMOVED]
            unreadable = select(history.c.instance_id).where(or_(*removed))
            left |= {("H005", instance) for instance in connection.execute(unreadable).scalars()}
    if published.path == THROUGH_ALL:
        # An older engine ended it; events that came later had newer ones, which cannot read it, fail it once more, and
        # fetch what they cannot take away again and again.
        given_up = "values-waiting"
        left = left - {("H005", given_up)} | {("H011", given_up), ("Q006", given_up)}
    return left


def found_in(store: Store) -> Found:
    """What a scan at the deepest level finds that is more than a remark; every check has to be able to run."""
    scan = Scan(store, select_checks(Level.deep), level=Level.deep)
    found = {(finding.check.id, finding.instance_id) for finding in scan if finding.check.severity > Severity.info}
    assert [result for result in scan.results.values() if result.outcome is Outcome.failed] == []
    return found


def test_it_is_clean_at_every_level(published: PublishedStore, store: Store) -> None:
    assert found_in(store) == left_by_upgrades(published, store)


def test_it_holds_every_state(published: PublishedStore, store: Store) -> None:
    with store.snapshot() as connection:
        there = set(connection.execute(select(executions.c.instance_id)).scalars())
    assert published.states.keys() <= there


def test_a_message_that_nobody_gets_is_found_in_each(published: PublishedStore, store: Store) -> None:
    """A column that an old store lacks takes away the question that needs it, and no other."""
    made_at = store.flavour.created_at(BEGUN_MS)
    row = {
        "instance_id": "nobody",
        "work_item": '{"ExternalRaised":{"instance":"nobody","name":"go","data":"1"}}',
        "visible_at": store.flavour.queue_time(BEGUN_MS),
        "created_at": made_at,
    }
    with store.transaction() as connection:
        connection.execute(insert(orchestrator_queue).values(row))
    assert found_in(store) == left_by_upgrades(published, store) | {("Q001", "nobody")}
