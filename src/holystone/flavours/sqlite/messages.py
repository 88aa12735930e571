"""What SQLite can tell about the text of a message."""

from sqlalchemy import ColumnElement, Integer, Text, and_, case, cast, func, literal, not_

from holystone.duroxide.fields import NUMBER, PAIRS, TEXT, Field
from holystone.duroxide.work_item import WORK_ITEM_SHAPES
from holystone.flavours.messages import Item, Messages, Value


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
        # It is to the letter what the engine would write with these values: no field is there twice.
        first, *others = (self._written(item, kind, name, field) for name, field in WORK_ITEM_SHAPES[kind].items())
        written = literal(f'{{"{kind}":{{').concat(first)
        for one in others:
            written = written.concat(one)
        return item == written.concat("}}")

    def _written(self, item: Item, kind: str, name: str, field: Field) -> ColumnElement[str]:
        """Return a field as the engine writes it, with the comma before it.

        Nothing is like it where the field holds another type, or what SQL cannot read: the details of a failure, and a
        list that is not empty.
        """
        path = f"$.{kind}.{name}"
        comma = "" if name == next(iter(WORK_ITEM_SHAPES[kind])) else ","
        start = f'{comma}"{name}":'
        value = func.json_extract(item, path)
        if field.means == TEXT.means:
            text = literal(f'{start}"').concat(func.substr(func.json_quote(value), 2))
        elif field.means == NUMBER.means:
            text = literal(start).concat(func.max(cast(value, Integer), 0))
        else:
            return self._if_there(literal(start + ("[]" if field.means == PAIRS.means else "")), item, path, field)
        if field.accepts(None):
            text = case((value.is_(None), f"{start}null"), else_=text)
        return self._if_there(text, item, path, field)

    def _if_there(self, text: ColumnElement[str], item: Item, path: str, field: Field) -> ColumnElement[str]:
        return case((func.json_type(item, path).is_(None), ""), else_=text) if field.left_out else text

    def number(self, item: Item, kind: str, name: str) -> ColumnElement[int]:
        return case((func.json_valid(item) == 1, func.json_extract(item, f"$.{kind}.{name}")))
