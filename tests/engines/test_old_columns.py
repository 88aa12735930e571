"""A check is skipped only where an old store has nothing for it to look at: a column takes away no other question."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

import pytest
from sqlalchemy import delete, func, insert, update

from conftest import SQLITE_AND_LONG_POSTGRESQL
from engines.conftest import Opened
from engines.published import NEWEST, VERSIONS, PublishedStore
from engines.test_published import Found, found_in
from holystone.duroxide.tables import executions, history, instances, kv_store, kv_store_execution_id, worker_queue
from holystone.pg_durable.tables import NO_EXTENSION
from holystone.scan.applicability import Applicability
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.policy import AS_DECLARED
from holystone.store import Store

pytestmark = pytest.mark.slow


LACKS = {
    "0.1.9": {"I005": "instances.parent_instance_id", "I010": "instances.parent_instance_id"},
    "0.1.17": {"E009": "executions.duroxide_version_major"},
    "0.1.19": {"I008": "instances.custom_status", "I012": "instances.custom_status"},
    "0.1.24": {"K002": "the table kv_store", "K003": "the table kv_store", "K004": "the table kv_store"},
    "0.1.26": {"K001": "the table kv_delta"},
}
"""Version -> the checks of what it was the first to keep, and what all stores before it lack."""
OF_ONE_FLAVOUR = {"sqlite": {"Q019", "S004", "S005", "S008"}, "postgresql": {"E005", "H007", "K004"}}

OF_EXTENSION = [check.id for check in select_checks(Level.deep) if check.id.startswith("D")]
WITHOUT_EXTENSION = {"sqlite": "does not apply to a store on sqlite", "postgresql": NO_EXTENSION}


def lacks(version: str) -> Mapping[str, str]:
    """What is skipped in a store of this version, and why."""
    since = takewhile(lambda one: one != version, reversed(VERSIONS))
    return {check: why for one in since for check, why in LACKS.get(one, {}).items()}


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_skipped_and_why(version: str, flavour: str, opened: Opened) -> None:
    store = opened(PublishedStore(version, flavour))
    for level in (Level.quick, Level.standard, Level.deep):
        applicability = Applicability(store, AS_DECLARED, None)
        told = {check.id: applicability.why_not(check) for check in select_checks(level)}
        old = {one: f"the store is of an older engine and lacks {why}" for one, why in lacks(version).items()}
        elsewhere = dict.fromkeys(OF_ONE_FLAVOUR[flavour], f"does not apply to a store on {flavour}")
        elsewhere |= dict.fromkeys(OF_EXTENSION, WITHOUT_EXTENSION[flavour])
        assert {check: why for check, why in told.items() if why} == {
            check: why for check, why in (old | elsewhere).items() if check in told
        }


OF_ACTIVITY = delete(worker_queue).where(worker_queue.c.work_item.contains('"in-hand"'))
"""Of the first versions only the text of a row says whose it is."""


def renamed(store: Store) -> Found:
    with store.transaction() as connection:
        connection.execute(update(instances).filter_by(instance_id="completed").values(orchestration_name="Other"))
    return {("I004", "completed")}


def without_activities(store: Store) -> Found:
    with store.transaction() as connection:
        connection.execute(OF_ACTIVITY)
    return {("I007", "in-hand")}


def ended_without_activities(store: Store) -> Found:
    """To set the row right would leave an execution that nothing can wake: which has to be found out first."""
    with store.transaction() as connection:
        connection.execute(OF_ACTIVITY)
        ended = {"status": "Completed", "output": "x"}
        connection.execute(update(executions).filter_by(instance_id="in-hand").values(ended))
    return {("E001", "in-hand")}


def asked_otherwise(store: Store) -> Found:
    """A parent that waits for its child has another input in the event that asked for it."""
    text = func.replace(history.c.event_data, '"from above"', '"from nowhere"')
    with store.transaction() as connection:
        of_parent = update(history).filter_by(instance_id="parent-waiting", event_id=2)
        connection.execute(of_parent.values(event_data=text))
    return {("I013", "parent-waiting::sub::2")}


def key_of_nobody(store: Store) -> Found:
    _add_key(store, "nobody", "1")
    return {("K002", "nobody")}


def key_by_hand(store: Store) -> Found:
    _add_key(store, "completed", "1")
    return {("K003", "completed")}


def _add_key(store: Store, instance_id: str, value: str) -> None:
    table = kv_store_execution_id if "execution_id" in store.columns["kv_store"] else kv_store
    row = {"instance_id": instance_id, "key": "a", "value": value, "execution_id": 1, "last_updated_at_ms": 0}
    there = {name: row[name] for name in store.columns["kv_store"]}
    with store.transaction() as connection:
        connection.execute(insert(table).values(there))


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
@pytest.mark.parametrize(
    ("version", "damage"),
    [
        *((version, renamed) for version in ("0.1.1", "0.1.8")),
        *((version, without_activities) for version in ("0.1.1", "0.1.4", "0.1.8")),
        *((version, ended_without_activities) for version in ("0.1.1", "0.1.4", "0.1.8")),
        *((version, asked_otherwise) for version in ("0.1.1", "0.1.8", "0.1.14", NEWEST)),
        *((version, key_of_nobody) for version in ("0.1.24", "0.1.25")),
        *((version, key_by_hand) for version in ("0.1.24", "0.1.25")),
    ],
)
def test_what_is_there_is_looked_at(version: str, damage: object, flavour: str, opened: Opened) -> None:
    store = opened(PublishedStore(version, flavour))
    expected = damage(store)  # type: ignore[operator]
    assert found_in(store) == expected
