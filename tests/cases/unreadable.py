"""Events that the engine cannot read, for cases of history."""

from __future__ import annotations

from cases.payloads import subscribed
from holystone.demo.scribe import Scribe, continued, started
from holystone.duroxide.tables import history

TORN = '{"event_id":2,"source_event_id":null,"inst'
"""The beginning of an event, as a restore that was cut off leaves it."""
NOT_JSON = "it cannot be read as JSON: unterminated string starting at at character 37"
"""What is wrong with it."""
INCOMPLETE = '{"event_id":2,"type":"ExternalSubscribed","name":"go"}'
"""An event that lacks what every event has."""


def torn(scribe: Scribe, instance_id: str) -> int:
    """Write an execution whose second event is torn off; return that event's time in ms."""
    now_ms = scribe.execution(instance_id, started(), subscribed())
    scribe.change(history, {"instance_id": instance_id, "event_id": 2}, event_data=TORN)
    return now_ms


def incomplete(scribe: Scribe, instance_id: str) -> None:
    """Write an execution whose second event is JSON, and no event of the engine's."""
    scribe.execution(instance_id, started(), subscribed())
    scribe.change(history, {"instance_id": instance_id, "event_id": 2}, event_data=INCOMPLETE)


def torn_before(scribe: Scribe, instance_id: str) -> None:
    """Write a chain with a torn event in its first execution, which is over."""
    scribe.execution(instance_id, started(), subscribed(), continued("2"))
    scribe.execution(instance_id, started(), subscribed(), execution_id=2)
    scribe.change(history, {"instance_id": instance_id, "execution_id": 1, "event_id": 2}, event_data=TORN)
