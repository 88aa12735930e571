"""The processor time that a server takes on this machine."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

REAPED_AFTER_SECONDS = 0.2
"""After which the server surely knows what a session took that has ended."""


class Server:
    """The processor time of a PostgreSQL server; none where it runs elsewhere, or on no Linux."""

    def __init__(self, url: str | None) -> None:
        self._postmaster: Path | None = None
        if url is not None and sys.platform == "linux":
            import psycopg

            with psycopg.connect(url) as connection:
                backend = Path(f"/proc/{connection.info.backend_pid}/stat")
                if backend.exists():
                    self._postmaster = Path(f"/proc/{_after_name(backend)[1]}/stat")

    def processor(self) -> float:
        """Return the seconds that all sessions took which have ended."""
        if self._postmaster is None:
            return 0.0
        time.sleep(REAPED_AFTER_SECONDS)
        user, system = _after_name(self._postmaster)[13:15]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _after_name(stat: Path) -> list[str]:
    """Return the fields of a process after its name, which may hold spaces; the second one is its parent."""
    return stat.read_text().rpartition(")")[2].split()
