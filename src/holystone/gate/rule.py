"""What a rule of the gate is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from holystone.gate.facts import Facts
from holystone.scan.check import Severity


class Asks(StrEnum):
    """What a rule has to be given beside the store; without it the rule is not asked."""

    nothing = "nothing"
    against = "--against"
    registered = "--registered"

    @property
    def of_page(self) -> str:
        """When the rule is asked, in the words of the guide."""
        return "always" if self is Asks.nothing else f"with `{self}`"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule, declared. It refuses where `found` yields anything: sentences, each about one thing that is wrong.

    HolystoneError from `found` says that the rule could not see: a gate that could not see refuses. `severity` is what
    `--fail-on` compares; `next_step` is what to do, with TARGET for the store.
    """

    id: str
    name: str
    severity: Severity
    asks: Asks
    asserts: str
    why: str
    next_step: str
    found: Callable[[Facts], Iterable[str]]
