"""The types of history events, and the status that a terminal one gives its execution.

Sources in microsoft/duroxide: `EventKind` in src/lib.rs, and `compute_execution_metadata` in src/runtime/mod.rs, which
writes the columns at ack.
"""

from holystone.duroxide.event import EVENT_SHAPES

START = "OrchestrationStarted"
"""The type of the first event of an execution."""
CONTINUE = "OrchestrationContinuedAsNew"
"""The type of the terminal event after which another execution begins."""

RUNNING = "Running"
COMPLETED = "Completed"
FAILED = "Failed"
CONTINUED_AS_NEW = "ContinuedAsNew"

POISON_EVENT_ID = 99_999
"""The id that the engine gives to the end of a history that it cannot read, whatever ids that has."""

STATUSES = (RUNNING, COMPLETED, FAILED, CONTINUED_AS_NEW)

TERMINAL: dict[str, str] = {
    "OrchestrationCompleted": COMPLETED,
    "OrchestrationFailed": FAILED,
    CONTINUE: CONTINUED_AS_NEW,
}
"""Type of a terminal event -> the status that it gives its execution."""

EVENT_TYPES = frozenset(EVENT_SHAPES)
"""Every event type of the newest engine known here; a newer one may write others."""
