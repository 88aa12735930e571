"""What SQLite can tell about the text of a message."""

from sqlalchemy import ColumnElement, and_, case, func, literal, or_

from holystone.store.fields import NUMBER, TEXT, Field
from holystone.store.flavours.messages import Item, Messages

_JSON_TYPES = {TEXT.means: "text", NUMBER.means: "integer"}


class SQLiteMessages(Messages):
    colons = (":",)

    def is_kind(self, item: Item, kind: str) -> ColumnElement[bool]:
        return item.op("GLOB", is_comparison=True)(literal(f'{{"{kind}":{{*'))

    def contains(self, item: Item, text: ColumnElement[str]) -> ColumnElement[bool]:
        return func.instr(item, text) > 0

    def quoted(self, value: ColumnElement[str]) -> ColumnElement[str]:
        # json_quote fails at what is no text, which SQLite keeps in any column.
        return case((func.typeof(value) == "text", func.json_quote(value)))

    def is_json(self, item: Item) -> ColumnElement[bool]:
        # A text with a \u escape is left to the reader: half of a surrogate pair is valid here.
        return and_(func.json_valid(item) == 1, func.instr(item, "\\u") == 0)

    def number(self, item: Item, kind: str, name: str) -> ColumnElement[int]:
        return case((func.json_valid(item) == 1, func.json_extract(item, f"$.{kind}.{name}")))

    def holds(self, item: Item, kind: str, name: str, field: Field) -> ColumnElement[bool]:
        path = f"$.{kind}.{name}"
        kept = func.json_type(item, path)
        wanted = kept == _JSON_TYPES[field.means] if field.means in _JSON_TYPES else kept.in_(["object", "array"])
        if field.means == NUMBER.means:
            wanted = and_(wanted, func.json_extract(item, path) >= 0)
        if field.accepts(None):
            wanted = or_(wanted, kept == "null")
        return wanted if field.required else or_(wanted, kept.is_(None))
