"""JSON Schemas as they are published."""

import inspect
from collections.abc import Mapping
from typing import Any


def published(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema of msgspec's with its dialect, and with each docstring in it as one reads it.

    Python keeps the indentation of docstrings until 3.12.
    """
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_cleaned(schema)}


def _cleaned(part: Any) -> Any:
    if isinstance(part, list):
        return [_cleaned(one) for one in part]
    if not isinstance(part, Mapping):
        return part
    return {
        name: inspect.cleandoc(one) if name == "description" and isinstance(one, str) else _cleaned(one)
        for name, one in part.items()
    }
