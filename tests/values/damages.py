"""Every column of every table of the engine, and every kind of value that it can hold."""

from __future__ import annotations

from cases.keys import AT_MS, changed, key_set, stored
from cases.work import lock
from holystone.demo.scribe import Scribe, activity_completed, completed, continued, scheduled, started
from holystone.duroxide.tables import executions, sessions

BAD = "bad"
"""The instance whose rows are damaged."""
DRIFTED = "drifted"
"""Another one, whose drift is to be found and repaired all the same."""

SQLITE = {
    "null": "NULL",
    "zero": "0",
    "negative": "-1",
    "greatest": "9223372036854775807",
    "least": "-9223372036854775808",
    "beyond": "9223372036854775808",
    "fraction": "1.5",
    "endless": "9e999",
    "endless below": "-9e999",
    "empty": "''",
    "word": "'x'",
    "digits": "'017'",
    "nul": "CAST(x'610062' AS TEXT)",
    "stray byte": "CAST(x'ff61' AS TEXT)",
    "stray continuation": "CAST(x'6180' AS TEXT)",
    "half a pair": "CAST(x'eda080' AS TEXT)",
    "control": "CAST(x'1b5b33316de280ae' AS TEXT)",
    "moment": "'9999-12-31 23:59:59'",
    "no bytes": "x''",
    "bytes": "x'ff00'",
    "bytes of digits": "x'3137'",
}
"""Every storage class of SQLite, with the values of each that are special to somebody who reads them."""

POSTGRESQL = {
    "smallint": ["NULL", "0", "-1", "32767", "-32768"],
    "integer": ["NULL", "0", "-1", "2147483647", "-2147483648"],
    "bigint": ["NULL", "0", "-1", "9223372036854775807", "-9223372036854775808"],
    "text": ["NULL", "''", "'x'", "'017'", "E'\\x1b[31m\\u202e'", "E'\\ufffe\\U0010ffff'", "E'a\\nb'"],
    "timestamp with time zone": [
        *("NULL", "'infinity'", "'-infinity'", "'0044-03-15 00:00:00+00 BC'", "'4713-01-01 00:00:00+00 BC'"),
        *("'0001-01-01 00:00:00+00'", "'10000-01-01 00:00:00+00'", "'294276-12-31 23:59:59+00'", "'epoch'"),
    ],
}
"""Every type of the engine's columns on PostgreSQL, with its special values."""


def rows(scribe: Scribe) -> None:
    """Write rows to every table: of an instance to be damaged, and of one that has drifted."""
    first = (key_set("kept", "1"), key_set("over", "1"))
    second = (key_set("over", "2", AT_MS + 5), ("TimerCreated", {"fire_at_ms": AT_MS}), scheduled())
    scribe.execution(BAD, started(), *first, continued())
    scribe.execution(BAD, started(), *second, execution_id=2)
    stored(scribe, BAD, "kept", "1")
    stored(scribe, BAD, "over", "1")
    changed(scribe, BAD, "over", "2", AT_MS + 5)
    lock(scribe, BAD)
    scribe.add(sessions, session_id=BAD, worker_id="w", locked_until=AT_MS, last_activity_at=AT_MS)
    scribe.execution(DRIFTED, started(), scheduled(), activity_completed(), completed())
    scribe.change(executions, {"instance_id": DRIFTED}, status="Running", output=None)
