"""The plan: findings turned into exact changes, bound to one store, and safe to keep in a file."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NoReturn

from sqlalchemy import Connection

import holystone
from holystone.errors import PlanError
from holystone.json_pieces import Writer
from holystone.mend.actor import actor
from holystone.mend.change import Change, instances_of, repair_of
from holystone.mend.document import change_from
from holystone.mend.passes import clusters, first_pass, waiting_for
from holystone.mend.repair import Safety, repairs
from holystone.mend.safety import groups_for, judged
from holystone.mend.surroundings import faults_of_store, look_around, told_of_store
from holystone.scan.catalogue import checks
from holystone.scan.check import Check
from holystone.scan.finding import Finding
from holystone.scan.policy import AS_DECLARED, Policy
from holystone.scan.reader import RACE_WINDOW_SECONDS
from holystone.scan.relation_scan import Progress
from holystone.scan.result import Outcome
from holystone.scan.scan import Scan
from holystone.scan.unread import Unread
from holystone.store.open_store import OpenStore

_MAKE_ANEW = "Make a plan anew with `holystone repair plan`."


@dataclass(frozen=True)
class Made:
    """When a plan was made, by the clock of the store, by whom, and with which version of holystone.

    It is for people: the hash of the plan does not cover it.
    """

    at_ms: int
    by: str
    version: str


@dataclass(frozen=True)
class Plan:
    """The changes that would mend a store, and how many findings no repair mends, by check id.

    Of each instance it has what may be done first. `waiting` are the findings that are left for a plan after this one,
    by check id, and `waiting_instances` those that they are of. `unread` are rows that could not be looked at: what is
    wrong with them, and what they would prove, is not in the plan. `made` is None where an older version wrote it.
    """

    store: str
    changes: Sequence[Change]
    unmended: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    waiting_instances: frozenset[str] = frozenset()
    unread: Sequence[Unread] = ()
    made: Made | None = None

    @cached_property
    def hash(self) -> str:
        """Return 16 hex digits over the store's identity and every change, in order."""
        return Writer(sort_keys=True).sha256([self.store, [change.as_json() for change in self.changes]])[:16]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "plan": self.hash,
            "store": self.store,
            "made": self.made and {"at_ms": self.made.at_ms, "by": self.made.by, "version": self.made.version},
            "changes": [change.as_json() for change in self.changes],
            "waiting": dict(sorted(self.waiting.items())),
            "unread": [{"key": row.key, "reason": row.reason} for row in self.unread],
        }


def make_plan(
    store: OpenStore,
    checks: Sequence[Check],
    *,
    instances: str | None = None,
    policy: Policy = AS_DECLARED,
    race_window: int = RACE_WINDOW_SECONDS,
    jobs: int = 1,
    progress: Progress | None = None,
    only: Collection[str] | None = None,
) -> Plan:
    """Return the plan for all findings of `checks` that the `policy` does not put up with; writes nothing.

    With `only`, of these instances. Whether a change is safe is decided by all that is wrong in the instances that it
    touches, whatever the checks are. PlanError where a check could not run: half a plan would pass for a whole one.
    """
    require_catalogues()
    scan = Scan(
        store, checks, instances=instances, policy=policy, race_window=race_window, jobs=jobs, progress=progress
    )
    found = list(scan) if only is None else None
    with store.snapshot() as connection:
        now = store.flavour.now_ms(connection)
        if found is None:
            found = scan.of_instances(connection, sorted(only or ()), now)
        _require_checked(scan)
        made = Made(now, actor(), holystone.__version__)
        return replace(_plan(store, connection, found, now, race_window), unread=_unread(store, scan), made=made)


def _require_checked(scan: Scan) -> None:
    """Raise PlanError where a check could not run, or none was to be run; single rows that could not be read pass."""
    if scan.unmatched is not None:
        raise PlanError(
            f"No instance matches {scan.unmatched!r}: nothing was checked.",
            "`holystone executions list TARGET` shows which instances there are.",
        )
    if failed := [result for result in scan.results.values() if result.outcome is Outcome.failed]:
        why = " ".join(sorted({str(result.reason) for result in failed}))
        steps = {result.next_step for result in failed if result.next_step is not None}
        raise PlanError(f"The store could not be checked: {why}", min(steps, default="Repair the cause first."))
    if all(result.outcome is Outcome.skipped for result in scan.results.values()):
        why = "; ".join(sorted({str(result.reason) for result in scan.results.values()}))
        raise PlanError(f"Nothing was checked: {why}.", "Select checks that apply to this store.")


def _unread(store: OpenStore, scan: Scan) -> list[Unread]:
    """Return the rows that could not be looked at, with keys that JSON can hold."""
    as_json = store.flavour.to_json
    return [Unread({name: as_json(part) for name, part in row.key.items()}, row.reason) for row in scan.unread]


def _plan(store: OpenStore, connection: Connection, findings: Sequence[Finding], now_ms: int, race_window: int) -> Plan:
    catalogue = repairs().by_id
    unmended = Counter(finding.check.id for finding in findings if repair_of(finding, catalogue) is None)
    groups = groups_for(store, connection, findings)
    touched = set().union(*map(instances_of, groups))
    around = look_around(store, connection, touched, now_ms, race_window)
    # The scan may have had a deep look at the database, which is not made once more.
    faults = [*faults_of_store(store, connection, touched), *told_of_store(findings)] if groups else ()
    groups = judged(store, groups, around, faults)
    safe = [group for group in groups if group[0].safety == Safety.safe]
    _, later = first_pass(safe)
    later += waiting_for(safe, [group for group in groups if group[0].safety != Safety.safe])
    waiting = {group[0].finding for group in later}
    return Plan(
        store.identity,
        [change for group in groups if group[0].finding not in waiting for change in group],
        unmended,
        Counter(group[0].check for group in later),
        # What waits may be moved meanwhile to another instance that the same pass touches.
        frozenset(
            instance
            for cluster in clusters(groups)
            if any(group[0].finding in waiting for group in cluster)
            for group in cluster
            for instance in instances_of(group)
        ),
    )


def read_plan(text: str, store: OpenStore) -> Plan:
    """Return the plan that `text` holds; PlanError where it is malformed, altered, or of another store."""
    require_catalogues()
    try:
        document = json.loads(text, parse_constant=_refuse)
        del text  # which can be as long as what is read out of it
        version, identity = document["schema"], document["store"]
        if type(version) is not int or version != 1:
            raise PlanError(f"The plan has the form {repr(version)[:40]}, and this holystone reads form 1.", _MAKE_ANEW)
        changes = [_numbered(number, row, store) for number, row in enumerate(document["changes"], 1)]
        plan = Plan(identity, changes, made=_made_from(document.get("made")))
        is_altered = plan.hash != document.get("plan")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = f": {error}" if isinstance(error, _Unfit) else ""
        raise PlanError(f"The file is no plan of holystone{why}.", _MAKE_ANEW) from None
    if is_altered:
        raise PlanError("The plan was altered after it was made: its hash does not match.", _MAKE_ANEW)
    if identity != store.identity:
        raise PlanError(f"The plan was made for another store than {store.target}.", _MAKE_ANEW)
    return plan


def _made_from(row: Any) -> Made | None:
    """Return what a plan's file says of how it was made, as far as it can be read."""
    try:
        at_ms, by, version = row["at_ms"], row["by"], row["version"]
    except (TypeError, KeyError):
        return None
    return Made(at_ms, by, version) if (type(at_ms), type(by), type(version)) == (int, str, str) else None


def require_catalogues() -> None:
    """Raise CatalogueError where a check or a repair cannot be loaded: whether a change is safe, all of them decide."""
    checks().require_whole()
    repairs().require_whole()


class _Unfit(ValueError):
    """Says what is the matter with one of the changes."""


def _numbered(number: int, row: Any, store: OpenStore) -> Change:
    try:
        change = change_from(row, store)
        _require_known(change)
    except ValueError as error:
        raise _Unfit(f"in change {number}, {error}") from None
    return change


def _require_known(change: Change) -> None:
    """Raise ValueError where no check of the catalogue finds such rows, or it has no such repair."""
    check = checks().by_id.get(change.check)
    if check is None or change.repair not in repairs().by_id:
        raise ValueError("its check or its repair is none that is installed")
    if all(relation.table.fullname != change.found_in[0] for relation in check.relations):
        raise ValueError("its check finds nothing in that table")


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")
