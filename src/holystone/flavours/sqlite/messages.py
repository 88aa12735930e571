"""What SQLite can tell about the text of a message."""

from sqlalchemy import ColumnElement, Text, and_, case, cast, func, literal, not_, or_

from holystone.duroxide.fields import NUMBER, PAIRS, TEXT, Field
from holystone.duroxide.work_item import WORK_ITEM_SHAPES
from holystone.flavours.messages import Item, Messages, Value

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

    def digits(self, value: Value) -> ColumnElement[str]:
        # As text, bytes of digits would be what a number is.
        return case((func.typeof(value) == "integer", cast(value, Text)))

    def is_json(self, item: Item) -> ColumnElement[bool]:
        # Left to the reader: what is not ASCII, for bytes that are not UTF-8 are valid here, and so is a \u escape with
        # half of a surrogate pair.
        foreign = item.op("GLOB", is_comparison=True)(literal("*[^ -~]*"))
        return and_(
            func.typeof(item) == "text", func.json_valid(item) == 1, func.instr(item, "\\u") == 0, not_(foreign)
        )

    def is_whole(self, item: Item, kind: str) -> ColumnElement[bool]:
        """Return whether it is to the letter what the engine would write with these values: no field is there twice."""
        first, *others = (self._written(item, kind, name, field) for name, field in WORK_ITEM_SHAPES[kind].items())
        written = literal(f'{{"{kind}":{{').concat(first)
        for one in others:
            written = written.concat(one)
        return item == written.concat("}}")

    def _written(self, item: Item, kind: str, name: str, field: Field) -> ColumnElement[str]:
        """Return a field as the engine writes it, with the comma before it.

        Of what SQL cannot read, the details of a failure and a list that is not empty, nothing is like it.
        """
        path = f"$.{kind}.{name}"
        simple = func.json_quote(func.json_extract(item, path))
        value = simple if field.means in _JSON_TYPES else literal("[]" if field.means == PAIRS.means else "")
        comma = "" if name == next(iter(WORK_ITEM_SHAPES[kind])) else ","
        text = literal(f'{comma}"{name}":').concat(value)
        return case((func.json_type(item, path).is_(None), ""), else_=text) if field.left_out else text

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
