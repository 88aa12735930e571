"""Baselines: the findings of an earlier report, which a check leaves out."""

import json
from collections.abc import Mapping
from typing import Any

from holystone.cli.files import read_file
from holystone.errors import HolystoneError
from holystone.flavours.target import Target

Store = tuple[str, str | None]
"""A target as reports have it, and a schema."""
Baseline = Mapping[Store | None, frozenset[str]]
"""Store -> fingerprints of its findings; under None those of a report on one store, by whatever name it goes now."""


def read_baseline(file: str, *, of_several: bool) -> Baseline:
    """Return the fingerprints in a report of `check --format json`, by store where several are looked at.

    What was found in one of several stores stands for no finding of another.
    """
    try:
        document = json.loads(read_file(file))
        _require_schema(document)
        if "reports" not in document:
            return {_store(document) if of_several else None: _fingerprints(document)}
        reports = [report for report in document["reports"] if "error" not in report]
        return {_store(report): _fingerprints(report) for report in reports}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise HolystoneError(
            f"{file} is no report of holystone.", f"Make one: holystone check TARGET --format json --output {file}"
        ) from None


def known(baseline: Baseline, target: Target) -> frozenset[str]:
    """Return the fingerprints of the findings to leave out of a store."""
    of_store = baseline.get((str(target), target.schema), frozenset())
    return of_store | baseline.get(None, frozenset())


def _require_schema(document: Any) -> None:
    if type(document["schema"]) is not int or document["schema"] != 1:
        raise ValueError


def _store(report: Any) -> Store:
    schema = report["store"]["schema"]
    return _text(report["store"]["target"]), None if schema is None else _text(schema)


def _fingerprints(report: Any) -> frozenset[str]:
    _require_schema(report)
    return frozenset(_text(finding["fingerprint"]) for finding in report["findings"])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
