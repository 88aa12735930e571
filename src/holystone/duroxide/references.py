"""Which events refer to an earlier one of their execution, by its id in source_event_id.

Sources in microsoft/duroxide: `prep_completions` and `collect_cancelled_from_context` in src/runtime/replay_engine.rs,
`emit_terminal_cancellation_breadcrumbs` in src/runtime/execution.rs. All other events have no source.
"""

from collections.abc import Mapping

from holystone.duroxide.replay import ANSWERED_BY

REFERS_TO: Mapping[str, str] = {
    **{answer: asked for asked, answers in ANSWERED_BY.items() for answer in sorted(answers)},
    "ActivityCancelRequested": "ActivityScheduled",
    "SubOrchestrationCancelRequested": "SubOrchestrationScheduled",
    "ExternalSubscribedCancelled": "ExternalSubscribed",
    "ExternalSubscribedPersistentCancelled": "ExternalSubscribedPersistent",
}
"""Type of an event that has a source -> the type of the event that this has to be."""

CANCELLING = frozenset(kind for kind in REFERS_TO if kind.endswith(("CancelRequested", "Cancelled")))
"""The types by which an execution gives up what it asked for; its end does so, too, and may write them after itself."""

_OF_ITS_OWN = "sub::"
"""What the name of a child begins with that was given none: its parent's id goes before it."""


def child_instance_id(parent: str, named: str) -> str:
    """Return the instance id of a child that an event names: `build_child_instance_id` in src/lib.rs."""
    return f"{parent}::{named}" if named.startswith(_OF_ITS_OWN) else named
