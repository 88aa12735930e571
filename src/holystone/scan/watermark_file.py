"""Watermarks in a file of the user's own, for a store that he may not write to, or that was never written to.

The file is of one store under one name. A store of the same name may have been restored since, so a position counts
only where the flavour finds all of it again.
"""

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

import holystone
from holystone.errors import HolystoneError
from holystone.scan.watermark import Coverage, Kept
from holystone.state_folder import state_folder
from holystone.store.open_store import OpenStore


class FileWatermarks:
    """They are kept by the user and for him; a file that is not as it was written counts for nothing."""

    outside = True

    def __init__(self, store: OpenStore) -> None:
        name = "\0".join([os.path.abspath(str(store.target.path or "")), str(store.target), str(store.target.schema)])
        digest = hashlib.sha256(f"{name}\0{store.identity}".encode(errors="surrogateescape")).hexdigest()[:32]
        self._file = state_folder() / "watermarks" / f"{digest}.json"

    def last(self, connection: Connection, scope: str) -> Kept | None:
        """Return what was kept of these checks."""
        found = self._all().get(scope)
        return None if found is None else Kept(**found)

    def keep(self, coverage: Coverage) -> None:
        """Keep how far the store is verified; HolystoneError where the file cannot be written."""
        kept = Kept(coverage.position, coverage.begun_ms, coverage.full_at_ms, holystone.__version__)
        text = json.dumps({**self._all(), coverage.scope: vars(kept)})
        try:
            _write(self._file, f"{_digest(text)}\n{text}\n")
        except OSError as error:
            why = os.strerror(error.errno or 0).lower()
            raise HolystoneError(
                f"How far the store is verified cannot be kept in {self._file}: {why}.",
                "Set XDG_STATE_HOME to a folder that can be written, or leave --since out.",
            ) from None

    def _all(self) -> dict[str, Any]:
        try:
            digest, text, _ = self._file.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError):
            return {}
        found: dict[str, Any] = json.loads(text) if digest == _digest(text) else {}
        return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(file: Path, text: str) -> None:
    """Write a file that takes its name when it is whole, for its user alone."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent)
    try:
        with open(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(handle)
        os.replace(temporary, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
