"""`why` says something of every instance in stores of every version, and nothing that the engine would not."""

from __future__ import annotations

from sqlalchemy import select

import holystone
from engines.published import PublishedStore
from holystone.diagnosis.model import Diagnosis
from holystone.duroxide.tables import instances
from holystone.store import Store

STATES = {
    "Completed": {"ended"},
    "Failed": {"ended"},
    "Running": {"turn", "due", "waiting", "stuck"},
    # One that has ended is told of, and that the engine refuses to.
    "Unreadable": {"unreadable", "ended"},
}
"""What the engine says of an instance -> the states of a diagnosis that agree with it."""


def test_every_instance_has_a_sentence(published: PublishedStore, store: Store) -> None:
    with store.snapshot() as connection:
        ids = list(connection.execute(select(instances.c.instance_id)).scalars())
    found = {instance: holystone.why(store, instance) for instance in ids}
    assert all(one.sentence and not one.unseen for one in found.values())
    wrong = {
        instance: (said, found[instance].state, found[instance].sentence)
        for instance, said in published.states.items()
        if found[instance].state not in STATES[said] and not _only_older_ones_read(found[instance], said)
    }
    assert wrong == {}
    for instance, said in published.states.items():
        refused = any("refuses to tell the status" in note for note in found[instance].notes)
        assert refused or said != "Unreadable" or found[instance].state == "unreadable"
    # No engine leaves an instance that runs without anything to wake it.
    stuck = {instance: one.sentence for instance, one in found.items() if one.state == "stuck"}
    assert stuck == {}


def _only_older_ones_read(diagnosis: Diagnosis, said: str) -> bool:
    """Whether an event is readable for the oldest engines alone: one of them runs it, or a later one passes it over."""
    if diagnosis.state == "unreadable":
        return said == "Running" and "Engines before" in diagnosis.sentence
    return said == "Running" and "not known here" in diagnosis.sentence
