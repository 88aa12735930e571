"""Changes as others may have written them, in a file or in the journal: each part is looked at before it is used."""

from dataclasses import MISSING, fields
from typing import Any

from holystone.flavours.values import is_utf8
from holystone.mend.change import Change
from holystone.mend.repair import Safety
from holystone.pg_durable.tables import TABLES
from holystone.store.open_store import OpenStore

_FIELDS = {field.name: field.default is MISSING for field in fields(Change)}
"""The fields of a change, and whether each is required."""


def change_from(document: Any, store: OpenStore) -> Change:
    """Return the change that a JSON object holds; ValueError, as the rest of a sentence, where it is none."""
    if not isinstance(document, dict):
        raise ValueError("a change is no object")
    if lacking := [name for name, required in _FIELDS.items() if required and name not in document]:
        raise ValueError(f"a change lacks {lacking[0]!r}")
    if unknown := document.keys() - _FIELDS:
        raise ValueError(f"a change has {min(unknown)!r}, which is unknown here")
    change = Change(**document)
    _require_texts(change)
    _require_key(store, "its key", change.table, change.key)
    for name in ("before", "after"):
        image = getattr(change, name)
        if image is not None:
            _require_row(store, f"its {name!r}", change.table, image)
    if change.before is None and change.after is None:
        raise ValueError("it has neither 'before' nor 'after'")
    _require_evidence(store, change.evidence)
    return change


def _require_texts(change: Change) -> None:
    for name, kind in Change.__annotations__.items():
        text = getattr(change, name)
        if kind in (str, str | None, "str", "str | None") and not isinstance(text, str) and text is not None:
            raise ValueError(f"its {name!r} is no text")
        if kind in (str, "str") and text is None:
            raise ValueError(f"its {name!r} is null")
        if isinstance(text, str) and not is_utf8(text):
            raise ValueError(f"its {name!r} is no UTF-8")
    if change.safety not in set(Safety):
        raise ValueError("its 'safety' is neither safe nor unsafe")


def _require_evidence(store: OpenStore, evidence: Any) -> None:
    if not isinstance(evidence, dict):
        raise ValueError("its 'evidence' is no object")
    if "finding" not in evidence:
        return
    finding = evidence["finding"]
    if not isinstance(finding, dict) or finding.keys() != {"table", "key"}:
        raise ValueError("its evidence names no finding by table and key")
    _require_key(store, "the key of its finding", finding["table"], finding["key"])


def _require_key(store: OpenStore, what: str, table: Any, key: Any) -> None:
    _require_row(store, what, table, key)
    if not key or key.keys() - set(TABLES[table].columns.keys()):
        raise ValueError(f"{what} is none of {table}")
    columns = TABLES[table].columns
    if wrong := [name for name, value in key.items() if not store.flavour.is_json_of_column(columns[name], value)]:
        raise ValueError(f"{what} gives {min(wrong)!r} a value that it cannot have")


def _require_row(store: OpenStore, what: str, table: Any, row: Any) -> None:
    """Raise ValueError where these are no columns of a table of the engine's, or no values of such columns."""
    if not isinstance(table, str) or table not in TABLES or table not in store.columns:
        raise ValueError("its table is none of the engine's")
    if not isinstance(row, dict):
        raise ValueError(f"{what} is no object")
    if strange := row.keys() - store.columns[table]:
        raise ValueError(f"{what} names {min(strange)!r}, which is no column of {table}")
    if wrong := [name for name, value in row.items() if not store.flavour.is_json_of_value(value)]:
        raise ValueError(f"{what} gives {min(wrong)!r} a value that no column has")
