"""How checks fared, each and all."""

from enum import StrEnum

from msgspec import Struct, field

from holystone.scan.check import Check, Severity
from holystone.scan.unread import Unread


class Outcome(StrEnum):
    clean = "clean"
    found = "found"
    skipped = "skipped"
    failed = "failed"


class Verdict(StrEnum):
    clean = "clean"
    drift = "drift"
    incomplete = "incomplete"


class Result(Struct):
    """How one check fared; `reason` says why it was skipped or failed, `next_step` what to do, where that is known.

    `worst` is the highest severity of a finding. `error` is what nobody had foreseen. `unread` are the rows that it
    could not look at.
    """

    check: Check
    outcome: Outcome = Outcome.clean
    count: int = 0
    worst: Severity | None = None
    reason: str | None = None
    next_step: str | None = None
    error: BaseException | None = None
    unread: list[Unread] = field(default_factory=list)
