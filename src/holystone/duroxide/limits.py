"""What the engine makes of a turn that breaks one of its limits: it fails the execution, and drops all messages.

Sources in microsoft/duroxide: `validate_limits` and `fail_orchestration_for_limit` in
src/runtime/dispatchers/orchestration.rs. The failure is the turn's last word, also where the turn has ended the
execution before in another way; not even a parent hears of it.
"""

from holystone.duroxide.event import Event


def is_over_limit(event: Event) -> bool:
    """Return whether an event fails its execution for a limit."""
    return event.type == "OrchestrationFailed" and names_limit(event.payload["details"])


def names_limit(details: object) -> bool:
    """Return whether the details of a failure, as JSON, are those of a limit, by what the engine says of each of them.

    An orchestration may fail with the same words by itself.
    """
    match details:
        case {"Application": {"kind": "OrchestrationFailed", "message": str(message)}}:
            return " exceeds limit (" in message
        case _:
            return False
