"""The configuration that lies in the folder where a command runs."""

import os

OWN_FILE = "holystone.toml"
PROJECT_FILE = "pyproject.toml"
"""Holds the same in its table `[tool.holystone]`, beside what is others'."""


def config_here() -> str | None:
    """Return the file of this folder that holds a configuration, None where none does.

    A folder of that name, or a link that leads nowhere, is for whoever reads it to refuse: it is nobody else's.

    Folders above are not looked at: what a check puts up with should not hang on where a project happens to lie.
    """
    if os.path.lexists(OWN_FILE):
        return OWN_FILE
    if os.path.isfile(PROJECT_FILE) and _has_table(PROJECT_FILE):
        return PROJECT_FILE
    return None


def _has_table(file: str) -> bool:
    """Return whether a project's file has a table for us, or is broken and names one: whoever reads that tells why."""
    import tomllib

    try:
        with open(file, "rb") as content:
            text = content.read()
    except OSError:
        return False
    try:
        tool = tomllib.loads(text.decode()).get("tool")
    except ValueError:
        return b"[tool.holystone" in text
    return isinstance(tool, dict) and "holystone" in tool
