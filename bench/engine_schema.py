"""Has the engine make its schema, in a process of its own: no connection of it stays open."""

from __future__ import annotations

import subprocess
import sys

SQLITE_SCHEMA = "import sys, duroxide; duroxide.SqliteProvider.open(sys.argv[1])"
POSTGRESQL_SCHEMA = "import sys, duroxide; duroxide.PostgresProvider.connect_with_schema(*sys.argv[1:])"


def engine(code: str, *arguments: str) -> None:
    """Run one of the two with the place of the store."""
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
