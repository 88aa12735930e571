"""Whether a repair is safe where it is to be made: by its declaration, the facts, and whatever else is wrong there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from holystone.mend.change import Change, Group, changes_for, found, instances_of, repair_of
from holystone.mend.passes import disturbs
from holystone.mend.repair import Repair, Safety, repairs
from holystone.mend.surroundings import Surroundings
from holystone.scan.evidence import Evidence, in_words
from holystone.scan.finding import Finding
from holystone.store.open_store import OpenStore

NO_SUCH_INSTANCE = "nothing is there of the instance {!r}, and no message that is due begins it"
NOT_ALL_SEEN = "not all rows of the instance {!r} could be looked at"
NO_INSTANCE = "the row names no instance, so nothing can be told of what it rests on"
BY_PEOPLE = "only people can decide it: `holystone explain {}` says what to consider"


def groups_for(store: OpenStore, connection: Connection, findings: Iterable[Finding]) -> list[Group]:
    """Return the changes that mend the findings, as safe as declaration and facts let them be; none where none may."""
    catalogue = repairs().by_id
    mendable = [(finding, repair) for finding in findings if (repair := repair_of(finding, catalogue)) is not None]
    return [
        tuple(replace(change, unsafe_because=_told_by(finding, repair)) for change in changes)
        for finding, repair in mendable
        if (changes := changes_for(store, connection, finding, repair))
    ]


def _told_by(finding: Finding, repair: Repair) -> str | None:
    if repair.safety is Safety.safe:
        return None
    return repair.unsafe_because(finding.facts) or BY_PEOPLE.format(repair.id)


def judged(store: OpenStore, groups: Sequence[Group], around: Surroundings, faults: Sequence[str] = ()) -> list[Group]:
    """Return the groups, each unsafe with the reason where what it rests on is called into question.

    Findings that a safe one of the groups takes away do not count, nor does anything where no repair is safe anyway.
    `faults` are those of the store as a whole.
    """
    decision = [_unsafe(group, why) if (why := _why_never(group, around, faults)) else group for group in groups]
    while True:
        mended = {group[0].finding for group in decision if group[0].safety == Safety.safe}
        left = _left(store, around, mended)
        again = [
            _unsafe(group, why)
            if group[0].safety == Safety.safe and (why := _why_in_doubt(group, left)) is not None
            else group
            for group in decision
        ]
        if again == decision:
            return decision
        decision = again


def _unsafe(group: Group, why: str) -> Group:
    return tuple(replace(change, safety=str(Safety.unsafe), unsafe_because=why) for change in group)


def _why_never(group: Group, around: Surroundings, faults: Sequence[str]) -> str | None:
    """Return why the repair cannot be safe, whatever else is mended; None where it may."""
    if faults:
        return faults[0]
    if group[0].safety != Safety.safe:
        return group[0].unsafe_because
    rests_on = repairs().get(group[0].repair).rests_on
    if around.unseen:
        return around.unseen[0]
    if unread := instances_of(group).intersection(around.unread):
        return NOT_ALL_SEEN.format(min(unread))
    if not instances_of(group) and rests_on - {Evidence.store}:
        return NO_INSTANCE
    needed = set().union(*(change.needed for change in group))
    if Evidence.instance in rests_on and (absent := needed.difference(around.there)):
        return NO_SUCH_INSTANCE.format(min(absent))
    return None


def _left(store: OpenStore, around: Surroundings, mended: set[str]) -> Mapping[str, Mapping[str, Finding]]:
    """Return for each instance the checks with a finding that is not mended, each with one such finding."""
    left: dict[str, dict[str, Finding]] = {}
    for instance, findings in around.findings.items():
        for finding in findings:
            if (
                finding.check.questions
                and finding.check.id not in left.get(instance, {})
                and found(store, finding) not in mended
            ):
                left.setdefault(instance, {})[finding.check.id] = finding
    return left


def _why_in_doubt(group: Group, left: Mapping[str, Mapping[str, Finding]]) -> str | None:
    for instance in sorted(instances_of(group)):
        for check, finding in left.get(instance, {}).items():
            if doubted := disturbs(check, group):
                return (
                    f"{check} calls into question {in_words(doubted)} of the instance {instance!r}: {finding.message}"
                )
    return None


def same(planned: Group, now: Group | None) -> bool:
    """Return whether a group is the one that was planned, whatever is said of its safety."""
    return now is not None and len(planned) == len(now) and all(map(Change.does_as, planned, now))
