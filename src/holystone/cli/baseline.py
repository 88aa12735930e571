"""Baselines: the findings of an earlier report, which a check leaves out."""

import json

from holystone.cli.files import read_file
from holystone.errors import HolystoneError


def fingerprints(file: str) -> frozenset[str]:
    """Return the fingerprints in a report of `check --format json`."""
    try:
        document = json.loads(read_file(file))
        if type(document["schema"]) is not int or document["schema"] != 1:
            raise ValueError
        return frozenset(_text(finding["fingerprint"]) for finding in document["findings"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise HolystoneError(
            f"{file} is no report of holystone.", f"Make one: holystone check TARGET --format json --output {file}"
        ) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
