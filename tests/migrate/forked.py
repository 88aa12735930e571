"""Work in a child process, which may be killed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


def in_a_child(act: Callable[[], None]) -> int:
    """Return how a child process that did it ended: 0, or minus the signal that killed it."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
