"""What a check found: one row that is not as its facts demand."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from holystone.guard import failure
from holystone.scan.check import Check, Severity
from holystone.scan.relation import Facts, Relation


@dataclass(frozen=True)
class Finding:
    """One violated invariant of one row; `facts` are those that bear it out."""

    check: Check
    relation: Relation
    facts: Facts
    observed: Mapping[str, Any]
    expected: Mapping[str, Any]
    cause: str | None

    @property
    def instance_id(self) -> Any:
        """A text, unless the store is damaged beyond what an engine can write; None of the store as a whole."""
        return self.relation.instance_of(self.facts.key)

    @property
    def severity(self) -> Severity:
        """How bad it is: as its check says of all of its findings, or of this one."""
        return self.check.severity if self.check.severity_of is None else self.check.severity_of(self.facts)

    @property
    def execution_id(self) -> Any:
        """A number, like those of event and row, unless the store is damaged so."""
        return self.facts.key.get("execution_id")

    @property
    def event_id(self) -> Any:
        return self.facts.key.get("event_id")

    @property
    def row_id(self) -> Any:
        return None if self.relation.instance_name == "id" else self.facts.key.get("id")

    @property
    def message(self) -> str:
        """What is wrong with the row, in a few words."""
        return self.check.message.format(observed=_in_words(self.observed), expected=_in_words(self.expected))

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits, the same for the same check and row in every run, whatever the values."""
        key = [f"{column}={value}" for column, value in sorted(self.facts.key.items())]
        if self.relation is not self.check.relations[0]:
            key.append(self.relation.name)
        return hashlib.sha256("\0".join([self.check.id, *key]).encode(errors="surrogateescape")).hexdigest()[:16]


LONGEST_IN_WORDS = 2_000
"""Characters of a value that a message has."""


class _Null:
    """What stands in a message for a column without a value, as in SQL."""

    def __repr__(self) -> str:
        return "NULL"


_NULL = _Null()


def _in_words(value: Any) -> Any:
    """Return a value as a message has it: a text in it may be as long as a database takes one."""
    if value is None:
        return _NULL
    if isinstance(value, Mapping):
        return {name: _in_words(one) for name, one in value.items()}
    if isinstance(value, str) and len(value) > LONGEST_IN_WORDS:
        return value[:LONGEST_IN_WORDS] + "…"
    return value


def judge(check: Check, relation: Relation, facts: Facts) -> Finding | None:
    """Return the finding of `check` on a suspect row, or None where the facts do not bear it out."""
    seen = check.observe(facts)
    if seen is None:
        return None
    observed, expected = seen
    return Finding(check, relation, facts, observed, expected, check.cause(facts))


def require_printable(finding: Finding, plug_in: str, to_json: Callable[[Any], Any]) -> None:
    """Raise CatalogueError where a finding of a plug-in's check cannot be told in words or as JSON."""
    try:
        finding.message  # noqa: B018 (it is made of the check's own template)
        for image in (finding.observed, finding.expected):
            json.dumps({name: to_json(value) for name, value in image.items()})
    except Exception as error:
        why = f"message or its values cannot be printed: {type(error).__name__}: {error}"
        raise failure(f"check {finding.check.id} of {plug_in}", why, plug_in) from error
