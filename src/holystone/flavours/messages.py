"""What SQL can tell about the text of a message, as the engine writes it."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import ClassVar

from sqlalchemy import ColumnElement, Text, and_, case, cast, false, literal, not_, or_, true

from holystone.duroxide.work_item import WorkItem

Item = ColumnElement[str]
"""A column work_item."""
Value = ColumnElement[str] | ColumnElement[int]


class Messages(ABC):
    """What the engine reads in a message, and conditions on its text, which are quick and never wrongly yes.

    Each may say no where the answer is yes: to what others wrote with spaces or in another order, and to odd escapes.
    So they find suspects only, and a finding rests on what `read` returns. None is ever NULL.
    """

    colons: ClassVar[Sequence[str]]
    """What may stand between a field's name and its value."""

    def read(self, text: object, *, for_worker: bool) -> WorkItem:
        """Return the message that the engine reads in a queue's work_item; RecordError says why it reads none."""
        return WorkItem.from_json(text)

    @abstractmethod
    def is_kind(self, item: Item, kind: str) -> ColumnElement[bool]:
        """Return whether the message is of this kind."""

    @abstractmethod
    def contains(self, item: Item, text: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether `text` stands in the message."""

    @abstractmethod
    def quoted(self, value: ColumnElement[str]) -> ColumnElement[str]:
        """Return a text as JSON; NULL for NULL."""

    def digits(self, value: Value) -> ColumnElement[str]:
        """Return a number as JSON; NULL for what is none."""
        return cast(value, Text)

    @abstractmethod
    def is_json(self, item: Item) -> ColumnElement[bool]:
        """Return whether the message is JSON."""

    @abstractmethod
    def is_whole(self, item: Item, kind: str) -> ColumnElement[bool]:
        """Return whether a message of this kind has its fields once, as they should be; only asked where it is JSON."""

    @abstractmethod
    def number(self, item: Item, kind: str, name: str) -> ColumnElement[int]:
        """Return the number in a field of a message of this kind, NULL where none can be read."""

    def is_readable(self, item: Item, kinds: Collection[str]) -> ColumnElement[bool]:
        """Return whether the engine can read the message: one of these kinds, which are known here, with all fields."""
        # As CASE, for no JSON function may be asked about what is no JSON.
        whole = [(self.is_kind(item, kind), self.is_whole(item, kind)) for kind in kinds]
        return _surely(case((self.is_json(item), case(*whole))))

    def says(self, item: Item, name: str, value: Value) -> ColumnElement[bool]:
        """Return whether the message has a field of this name that holds `value`, or none where `value` is NULL.

        Names inside user data do not deceive it, for their quotation marks are escaped there.
        """
        nothing = not_(self.contains(item, literal(f'"{name}"')))
        return _surely(or_(and_(value.is_(None), nothing), self._says(item, name, value)))

    def _says(self, item: Item, name: str, value: Value) -> ColumnElement[bool]:
        starts = [literal(f'"{name}"{colon}') for colon in self.colons]
        if isinstance(value.type, Text):
            return or_(*(self.contains(item, start.concat(self.quoted(value))) for start in starts))
        number = self.digits(value)
        return or_(*(self.contains(item, start.concat(number).concat(end)) for start in starts for end in (",", "}")))


def _surely(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition as one that is false, and not NULL, where it cannot be told."""
    return case((condition, true()), else_=false())
