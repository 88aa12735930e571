"""The plan: findings turned into exact changes, bound to one store, and safe to keep in a file."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from holystone.errors import PlanError
from holystone.mend.change import Change, changes_for, repair_of
from holystone.mend.repair import repairs
from holystone.scan.check import Check
from holystone.scan.passes import Progress
from holystone.scan.policy import AS_DECLARED, Policy
from holystone.scan.reader import RACE_WINDOW_SECONDS
from holystone.scan.scan import Scan, Verdict
from holystone.store import Store

_MAKE_ANEW = "Make a plan anew with `holystone repair plan`."


@dataclass(frozen=True)
class Plan:
    """The changes that would mend a store, and how many findings no repair mends, by check id."""

    store: str
    changes: Sequence[Change]
    unmended: Counter[str] = field(default_factory=Counter)

    @property
    def hash(self) -> str:
        """Return 16 hex digits over the store's identity and every change, in order."""
        content = json.dumps([self.store, [change.as_json() for change in self.changes]], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "plan": self.hash,
            "store": self.store,
            "changes": [change.as_json() for change in self.changes],
        }


def make_plan(
    store: Store,
    checks: Sequence[Check],
    *,
    instances: str | None = None,
    policy: Policy = AS_DECLARED,
    race_window: int = RACE_WINDOW_SECONDS,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Plan:
    """Return the plan for all findings of `checks` that the `policy` does not put up with; writes nothing.

    PlanError where a check could not run: half a plan would pass for a whole one.
    """
    unmended: Counter[str] = Counter()
    scan = Scan(
        store, checks, instances=instances, policy=policy, race_window=race_window, jobs=jobs, progress=progress
    )
    changes = list(_changes(store, scan, unmended))
    if scan.verdict is Verdict.incomplete:
        reasons = {result.reason for result in scan.results.values() if result.reason and result.outcome == "failed"}
        raise PlanError(f"The store could not be checked: {' '.join(sorted(reasons))}", "Mend the cause first.")
    return Plan(store.identity, changes, unmended)


def _changes(store: Store, scan: Scan, unmended: Counter[str]) -> Iterator[Change]:
    catalogue = repairs().by_id
    findings = []
    for finding in scan:
        if repair_of(finding, catalogue) is None:
            unmended[finding.check.id] += 1
        else:
            findings.append(finding)
    with store.snapshot() as connection:
        for finding in findings:
            repair = repair_of(finding, catalogue)
            assert repair is not None
            yield from changes_for(store, connection, finding, repair)


def read_plan(text: str, store: Store) -> Plan:
    """Return the plan that `text` holds; PlanError where it is malformed, altered, or of another store."""
    try:
        document = json.loads(text)
        version, identity = document["schema"], document["store"]
        if version != 1:
            raise PlanError(f"The plan has the form {version!r}, and this holystone reads form 1.", _MAKE_ANEW)
        plan = Plan(identity, [Change(**row) for row in document["changes"]])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise PlanError("The file is no plan of holystone.", _MAKE_ANEW) from None
    if plan.hash != document.get("plan"):
        raise PlanError("The plan was altered after it was made: its hash does not match.", _MAKE_ANEW)
    if identity != store.identity:
        raise PlanError(f"The plan was made for another store than {store.target}.", _MAKE_ANEW)
    return plan
