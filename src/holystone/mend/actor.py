"""Who does something to a store, for the journal and for plans."""

import getpass
import platform


def actor() -> str:
    """Return user@machine, as whoever reads the journal knows them."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user id may have no name
        user = "unknown"
    return f"{user}@{platform.node()}"
