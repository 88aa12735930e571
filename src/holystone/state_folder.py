"""Where the state of a user's programs belongs, by the XDG base directory specification."""

import os
from contextlib import suppress
from pathlib import Path


def state_folder() -> Path:
    """Return holystone's own folder there, made for its user alone where it was not there; no error where it cannot be.

    It is `$XDG_STATE_HOME/holystone`, by default `~/.local/state/holystone`.
    """
    given = os.environ.get("XDG_STATE_HOME", "")
    state = Path(given) if os.path.isabs(given) else Path(os.path.expanduser("~/.local/state"))
    folder = state / "holystone"
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
