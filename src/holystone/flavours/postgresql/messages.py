"""What PostgreSQL can tell about the text of a message; by patterns, for a cast of what is no JSON ends a statement."""

from functools import reduce
from operator import add

from sqlalchemy import BigInteger, ColumnElement, Text, and_, case, cast, func, literal, not_, or_
from sqlalchemy.dialects.postgresql import JSONB

from holystone.duroxide.fields import NUMBER, PAIRS, TEXT, Field
from holystone.duroxide.work_item import WORK_ITEM_SHAPES, WorkItem
from holystone.errors import RecordError
from holystone.flavours.messages import Item, Messages
from holystone.flavours.postgresql.jsonb import printed

# A text with a \u escape is left to the reader: half of a surrogate pair is written as one, too.
_TEXT = r'"([^"\\[:cntrl:]]|\\["\\/bfnrt])*"'
_VALUE = rf"({_TEXT}|0|[1-9][0-9]{{0,18}}|null|\[\])"
# One pattern for all kinds and without the names of fields: it is built anew for each row, so a short one is quick.
_FLAT = rf'^\{{"[A-Za-z]+": ?\{{("[a-z_]+": ?{_VALUE}(, ?|\}}\}}$))+$'

_FIRST = {TEXT.means: '"', NUMBER.means: "0123456789", PAIRS.means: "["}
"""What a field means -> the characters that such a value may begin with."""


class PostgreSQLMessages(Messages):
    # What a turn queues is printed by JSONB, what a client queues is as the client wrote it.
    colons = (": ", ":")

    def is_kind(self, item: Item, kind: str) -> ColumnElement[bool]:
        return item.like(literal(f'{{"{kind}":%'))

    def contains(self, item: Item, text: ColumnElement[str]) -> ColumnElement[bool]:
        return func.strpos(item, text) > 0

    def quoted(self, value: ColumnElement[str]) -> ColumnElement[str]:
        return cast(func.to_json(value), Text)

    def read(self, text: object, *, for_worker: bool) -> WorkItem:
        """Return the message as JSONB hands it to a turn; a worker gets its text as it is."""
        if for_worker or not isinstance(text, str):
            return WorkItem.from_json(text)
        try:
            said = printed(text)
        except ValueError as error:
            WorkItem.from_json(text)  # says where it is no JSON
            raise RecordError(f"The message cannot be fetched: {error}.", str(error)) from None
        return WorkItem.from_json(said)

    def is_json(self, item: Item) -> ColumnElement[bool]:
        """Return whether it is JSON without nested objects: those of failures are left to the reader."""
        # The pattern would also take a text that ends at a comma.
        return and_(item.regexp_match(_FLAT), func.right(item, 2) == "}}")

    def is_whole(self, item: Item, kind: str) -> ColumnElement[bool]:
        # JSONB prints a field once that stands there twice. It puts a space after each colon and comma, two of
        # which go with each field.
        again = cast(cast(item, JSONB), Text)
        shape = WORK_ITEM_SHAPES[kind]
        held = and_(*(self._holds(item, name, field) for name, field in shape.items()))
        others = (self.contains(item, literal(f'"{name}":')) for name, field in shape.items() if not field.required)
        sure: ColumnElement[int] = literal(2 * sum(field.required for field in shape.values()))
        spaces = reduce(add, (case((is_there, 2), else_=0) for is_there in others), sure)
        return case((held, or_(item == again, func.length(again) - func.length(item) == spaces)))

    def number(self, item: Item, kind: str, name: str) -> ColumnElement[int]:
        return cast(func.substring(item, rf'"{name}": ?([0-9]{{1,18}})[,}}]'), BigInteger)

    def _holds(self, item: Item, name: str, field: Field) -> ColumnElement[bool]:
        """Return whether a field holds what it should, as far as it begins so."""
        start = literal(f'"{name}":')
        value = func.substr(item, func.strpos(item, start) + len(f'"{name}":'), 2)
        first = func.left(func.ltrim(value), 1)
        begins = _FIRST.get(field.means, "") + ("n" if field.accepts(None) else "")
        there, well = self.contains(item, start), first.in_(list(begins))
        return and_(there, well) if field.required else or_(not_(there), well)
