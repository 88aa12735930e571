"""Errors of one process that are told of in another, and what an error of the server means."""

import pickle

import pytest

from conftest import ENGINES, MakeStore
from holystone.errors import HolystoneError, LockLostError, StoreUnavailableError, UnreadableMessageError
from holystone.store import Store

ERRORS = [
    LockLostError("It is lost.", "Fetch it anew."),
    UnreadableMessageError("worker_queue", 3, "a", "it is no text"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_arrives_as_it_is(error: HolystoneError) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert (str(arrived), vars(arrived)) == (str(error), vars(error))


@pytest.mark.parametrize(
    ("words", "next_step"),
    [
        ("try again", "Mend the cause and run the command again."),
        ("canceling statement due to conflict with recovery", "Run it again, or on the primary;"),
    ],
)
def test_what_a_trigger_says_is_no_conflict_with_recovery(engine_store: MakeStore, words: str, next_step: str) -> None:
    """It may have the state of one: SQL gives it to each transaction that cannot be put in order with others."""
    made = engine_store(ENGINES[-1], "postgresql", ())
    store = Store.open(made.target, made.schema)
    said = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = '{words}'; END $$"
    with pytest.raises(StoreUnavailableError) as refused, store.transaction() as connection:
        connection.exec_driver_sql(said)
    assert refused.value.next_step.startswith(next_step)
    assert words in refused.value.message
