"""All that is wrong with some instances, and with their store: what decides whether a repair there is safe."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from sqlalchemy import Connection, or_, select

from holystone.duroxide.tables import instances, orchestrator_queue
from holystone.duroxide.work_item import STARTS
from holystone.scan.catalogue import checks
from holystone.scan.check import Level
from holystone.scan.evidence import Evidence
from holystone.scan.finding import Finding
from holystone.scan.relation import Key
from holystone.scan.relations.messages import MessageFacts
from holystone.scan.result import Outcome
from holystone.scan.scan import Scan
from holystone.scan.soundness import unsound
from holystone.store.open_store import OpenStore

_AT_A_TIME = 2_000


@dataclass(frozen=True)
class Surroundings:
    """The findings of the whole catalogue by the instance that each is about, and those that the engine has a row of.

    `unseen` says why not all could be looked at, one sentence a cause; of `unread` instances only some rows could not.
    """

    findings: Mapping[str, Sequence[Finding]]
    there: Collection[str]
    unseen: Sequence[str]
    unread: Collection[str] = ()

    def in_short(self) -> "Surroundings":
        """Return it with nothing of the findings but what names them: a value of a row may be very long."""
        short = {
            instance: [replace(one, facts=_Named(one.facts.key), observed={}, expected={}) for one in findings]
            for instance, findings in self.findings.items()
        }
        return replace(self, findings=short)


@dataclass(frozen=True)
class _Named:
    """The facts of a finding of which only the key is kept."""

    key: Key
    evidence: Mapping[str, Any] = field(default_factory=dict)


def look_around(
    store: OpenStore, connection: Connection, instance_ids: Collection[str], now_ms: int, race_window: int
) -> Surroundings:
    """Return what is around these instances, whatever a user has selected or put up with.

    What happened within the `race_window`, seconds before `now_ms` by the database's clock, may be a race.
    """
    wanted = sorted(instance_ids)
    scan = Scan(store, list(checks()), race_window=race_window)
    findings: dict[str, list[Finding]] = defaultdict(list)
    for finding in scan.of_instances(connection, wanted, now_ms):
        findings[finding.instance_id].append(finding)
    there = _there(store, connection, wanted) | {*_begun_by(findings)}
    return Surroundings(findings, there, _unseen(scan), scan.unread_instances)


def faults_of_store(store: OpenStore, connection: Connection, instance_ids: Collection[str]) -> list[str]:
    """Return what calls the store as a whole into question, or what it shows of these instances; in words."""
    # What a repair touches is compared with its indexes below; to look at the whole database is for a check.
    scan = Scan(store, [check for check in checks() if check.level <= Level.standard])
    told = told_of_store(scan.of_store(connection))
    return [*told, *_unseen(scan), *unsound(store, connection, sorted(instance_ids))]


def told_of_store(findings: Iterable[Finding]) -> list[str]:
    """Return those of the findings that call the store as a whole into question, in words."""
    return [
        f"{finding.check.id} says of the store: {finding.message}"
        for finding in findings
        if finding.relation.of_store and Evidence.store in finding.check.questions
    ]


def _unseen(scan: Scan) -> list[str]:
    failed = [result for result in scan.results.values() if result.outcome is Outcome.failed]
    return [could_not_look(result.check.id, result.reason) for result in failed]


def could_not_look(id: str, reason: str | None) -> str:
    """Return the sentence that says of a check why it saw nothing."""
    return f"{id} could not look: {reason}"


def _there(store: OpenStore, connection: Connection, instance_ids: Sequence[str]) -> set[str]:
    """Return those that have a row, or a message that is due and makes one."""
    flavour, queue = store.flavour, orchestrator_queue.c
    starts = or_(*(flavour.messages.is_kind(queue.work_item, kind) for kind in STARTS))
    due = queue.visible_at <= flavour.queue_time(flavour.now_ms(connection))
    there: set[str] = set()
    for start in range(0, len(instance_ids), _AT_A_TIME):
        some = instance_ids[start : start + _AT_A_TIME]
        rows = select(instances.c.instance_id).where(flavour.among(instances.c.instance_id, some))
        queued = select(queue.instance_id).where(flavour.among(queue.instance_id, some), starts, due)
        there |= {*connection.execute(rows).scalars(), *connection.execute(queued).scalars()}
    return there


def _begun_by(findings: Mapping[str, Sequence[Finding]]) -> Iterator[str]:
    """Yield the instances that a message begins which is itself found: once it is repaired, it does."""
    for finding in chain.from_iterable(findings.values()):
        item = finding.facts.item if isinstance(finding.facts, MessageFacts) else None
        if item is not None and item.kind in STARTS and item.instance_id is not None:
            yield item.instance_id
