"""What is kept of a fault of holystone itself: a file that its user alone can read, without passwords."""

import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import holystone
from holystone.render.messages import block
from holystone.state_folder import state_folder

KEPT = 20
"""Files that are kept; the oldest is removed for a new one."""
_IN_URL = re.compile(r"://[^\s/@:]*:([^\s@]+)@")
_NAMED = re.compile(r"password\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&;']+)", re.IGNORECASE)


def reported(error: BaseException) -> tuple[str, str]:
    """Keep what is known of an error that nobody has foreseen; return what to say of it, and what to do about it."""
    file = _keep(error)
    if file is None or os.environ.get("HOLYSTONE_DEBUG"):
        block(_told(error) + "\n", err=True)
    what = _without_secrets(f"This is a fault of holystone: {type(error).__name__}: {error}")
    if file is None:
        return what, "Run it again with HOLYSTONE_DEBUG=1, and report what it prints."
    return what, f"Report it, with the file {file}"


def _told(error: BaseException) -> str:
    """Return the traceback of an error, each line fit for a terminal, without any password that we were given."""
    from holystone.printable import one_line

    # Lines of the traceback are kept; what would drive a terminal may be in the message of an error.
    lines = _without_secrets("".join(traceback.format_exception(error))).splitlines()
    return "\n".join(map(one_line, lines))


def _keep(error: BaseException) -> Path | None:
    """Write the traceback of an error to a file, and return its name; None where no file can be written."""
    python = sys.version.split()[0]
    text = f"holystone {holystone.__version__}, Python {python} on {sys.platform}\n{_told(error)}\n"
    for folder in (state_folder(), Path(tempfile.gettempdir())):
        # The folder may be of another user, or there may be none: what went wrong first is what counts.
        with suppress(OSError, ValueError):
            return _write(folder, text)
    return None


def _without_secrets(text: str) -> str:
    """Return the text with each password struck out that a target or the environment has given."""
    for secret in sorted(set(_secrets()), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _secrets() -> Iterator[str]:
    given = [*sys.argv[1:], *(value for name, value in os.environ.items() if name.startswith(("HOLYSTONE_", "PG")))]
    for text in given:
        for pattern in (_IN_URL, _NAMED):
            for found in pattern.findall(text):
                yield from {found, unquote(found), found.strip("'")} - {"", "''"}
    if password := os.environ.get("PGPASSWORD"):
        yield password


def _write(folder: Path, text: str) -> Path:
    if folder.name == "holystone":
        for old in sorted(folder.glob("crash-*.txt"))[: 1 - KEPT]:
            old.unlink(missing_ok=True)
    now = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    handle, name = tempfile.mkstemp(dir=folder, prefix=f"crash-{now}-", suffix=".txt")
    with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return Path(name)
