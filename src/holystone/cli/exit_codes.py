"""Exit statuses, which others' scripts rely on."""

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    """Clean, or done."""
    FOUND = 1
    """Findings at or above --fail-on, or planned rows left undone."""
    COULD_NOT_RUN = 2
    """Usage, no such store, no permission, a check that failed to run: never to be read as clean."""
    UNKNOWN = 3
    """The same for Nagios, which takes 2 for a state of the service: the Monitoring Plugins' guidelines."""
