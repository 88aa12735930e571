"""Asking the rules, and making the verdict of what they say."""

from collections.abc import Sequence
from datetime import date

from holystone.errors import HolystoneError
from holystone.gate.facts import Facts
from holystone.gate.model import Deployment, GateReport, RuleResult
from holystone.gate.rule import Asks, Rule
from holystone.gate.rules import RULES
from holystone.gate.waiver import Waiver
from holystone.scan.check import Severity

LISTED = 20
"""Sentences of a rule that are kept; all are counted."""


def judge(facts: Facts, *, waivers: Sequence[Waiver], refuse_from: Severity, today: date) -> GateReport:
    """Return the verdict: refused where a rule of that severity or above finds anything that no waiver covers.

    It is incomplete where a rule could not see, whatever the others found: a waiver covers what is known alone.
    """
    results = [_ask(one, facts, waivers, refuse_from, today) for one in RULES]
    outcomes = {one.outcome for one in results}
    store = facts.store
    return GateReport(
        schema=1,
        target=str(store.target),
        store_schema=store.target.schema,
        flavour=store.flavour.name,
        identity=store.identity,
        engine_migration=store.engine_migration,
        toolkit_revision=_if_seen(facts),
        verdict="incomplete" if "unseen" in outcomes else "refused" if "refused" in outcomes else "pass",
        rules=results,
        deployment=_deployment(facts),
    )


def _ask(one: Rule, facts: Facts, waivers: Sequence[Waiver], refuse_from: Severity, today: date) -> RuleResult:
    def result(
        outcome: str,
        found: Sequence[str] = (),
        reason: str | None = None,
        next_step: str | None = None,
        until: date | None = None,
    ) -> RuleResult:
        return RuleResult(
            id=one.id,
            name=one.name,
            severity=one.severity.name,
            outcome=outcome,
            count=len(found),
            found=list(found[:LISTED]),
            reason=reason,
            until=until,
            next_step=next_step,
        )

    if not _is_asked(one, facts):
        return result("not-asked", reason=f"{one.asks} was not given")
    try:
        found = list(one.found(facts))
    except HolystoneError as error:
        return result("unseen", reason=error.message, next_step=error.next_step)
    if not found:
        return result("pass")
    if one.severity < refuse_from:
        return result("noted", found, next_step=one.next_step)
    of_rule = [waiver for waiver in waivers if waiver.rule == one.id]
    if waived := next((waiver for waiver in of_rule if waiver.holds(today)), None):
        return result("waived", found, waived.reason, until=waived.until)
    ended = max((waiver.until for waiver in of_rule), default=None)
    reason = None if ended is None else f"its waiver ended on {ended}"
    return result("refused", found, reason, one.next_step)


def _is_asked(one: Rule, facts: Facts) -> bool:
    match one.asks:
        case Asks.against:
            return facts.version is not None
        case Asks.registered:
            return facts.application is not None
        case _:
            return True


def _if_seen(facts: Facts) -> str | None:
    try:
        return facts.toolkit.toolkit.revision
    except HolystoneError:
        return None


def _deployment(facts: Facts) -> Deployment | None:
    if facts.version is None:
        return None
    try:
        return facts.deployment
    except HolystoneError:
        return None
