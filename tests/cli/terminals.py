"""Terminals of their own, for commands that a person would type."""

from __future__ import annotations

import os
import pty
import subprocess
import termios

from .helpers import COMMAND, clean_environment


def on_terminal(*words: str, typed: str = "", columns: int = 80, **environment: str) -> tuple[int, str]:
    """Run a command on a terminal of its own; return its status and what the terminal got."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    process = subprocess.Popen(
        [*COMMAND, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=clean_environment({"TERM": "xterm", **environment}),
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    said = b""
    while True:
        try:
            said += os.read(ours, 65536)
        except OSError:  # how Linux says that the last process has let go of the terminal
            break
    os.close(ours)
    return process.wait(), said.decode()
