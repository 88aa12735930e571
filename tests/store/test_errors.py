"""Errors of one process that are told of in another."""

import pickle

import pytest

from holystone.errors import HolystoneError, LockLostError, UnreadableMessageError

ERRORS = [
    LockLostError("It is lost.", "Fetch it anew."),
    UnreadableMessageError("worker_queue", 3, "a", "it is no text"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_arrives_as_it_is(error: HolystoneError) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert (str(arrived), vars(arrived)) == (str(error), vars(error))
