"""JSON Schemas, whose alternatives are in another order with each msgspec."""

from __future__ import annotations

import json
from typing import Any


def in_order(schema: object) -> Any:
    """Return a schema with the alternatives of each `anyOf` in one order."""
    return json.loads(json.dumps(schema), object_hook=_with_sorted_alternatives)


def _with_sorted_alternatives(part: dict[str, Any]) -> dict[str, Any]:
    if isinstance(part.get("anyOf"), list):
        part["anyOf"].sort(key=json.dumps)
    return part
