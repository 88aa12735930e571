"""The configuration that lies in the folder where a command runs."""

import os

OWN_FILE = "holystone.toml"
PROJECT_FILE = "pyproject.toml"
"""Holds the same in its table `[tool.holystone]`, beside what is others'."""


def config_here() -> str | None:
    """Return the file of this folder that holds a configuration, None where none does.

    Folders above are not looked at: what a check puts up with should not hang on where a project happens to lie.
    """
    if os.path.isfile(OWN_FILE):
        return OWN_FILE
    if os.path.isfile(PROJECT_FILE):
        from holystone.cli.files import read_file

        if "[tool.holystone" in read_file(PROJECT_FILE):
            return PROJECT_FILE
    return None
