"""The before-images of one transaction of an undo: put back where what they belong to is still there.

A repair is judged by what the catalogue finds, and so is its undo, the other way round: with its rows put back, the
same finding must be there again, and the very same repair be planned for it, as safe as it was. So what decided the
repair is still what it was. Beside that, nothing may be found that the repair had not taken away itself.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.exc import DBAPIError, OperationalError

import holystone
from holystone.duroxide.event import parse_event
from holystone.duroxide.event_types import CONTINUED_AS_NEW, TERMINAL
from holystone.duroxide.tables import history
from holystone.json_pieces import Writer
from holystone.mend.attempt import REFUSED, Skipped, found_again, held_groups, row_of
from holystone.mend.change import Change, Group, found, instances_of, is_row, row_table, values
from holystone.mend.journal import UNDO, Entry
from holystone.mend.passes import clusters
from holystone.mend.repair import Safety, repairs
from holystone.mend.safety import groups_for, judged
from holystone.mend.surroundings import Surroundings, look_around
from holystone.scan.catalogue import checks
from holystone.scan.event_text import event_text
from holystone.scan.finding import Finding
from holystone.scan.reader import Reader
from holystone.store.open_store import OpenStore

CHANGED_SINCE = "the row was changed after the run"
USED_AGAIN = "the id {!r} was used again after the run, for an instance that the row was not of"
ENDED_SINCE = "the instance {!r} ended after the run"
NOT_INSTALLED = "the check {} or the repair {} is not installed, so nothing tells whether the row still belongs there"
MOVED_ON = "what the repair went by has changed after the run: {} would not find the row as it did"
UNSEEN = "not all can be looked at, so nothing tells whether the row still belongs there: {}"
IN_DOUBT = "the repair would not be safe any more: {}"
APPEARED = "with the row put back {} would find something that was not there before the run: {}"

Entries = tuple[Entry, ...]
"""The journaled changes of one finding, the last one first: put back together or not at all."""


class Restoration:
    """What becomes of a chunk of an undo: the entries `restored`, and the changes `skipped` with the reasons.

    `took_away` are by the names of the findings those others that are not there any more, for the journal.
    """

    def __init__(self, store: OpenStore, connection: Connection, version: str) -> None:
        self.restored: list[Entries] = []
        self.skipped: list[Skipped] = []
        self.took_away: dict[str, Sequence[str]] = {}
        self._store = store
        self._connection = connection
        self._version = version
        self._now_ms = store.flavour.now_ms(connection)

    def restore(self, groups: Sequence[Entries]) -> None:
        """Put back what still fits; no instance keeps the others from theirs."""
        if not groups:
            return
        changes = [changes_of(group) for group in groups]
        held = held_groups(self._store, self._connection, changes)
        lives = _lives(self._store, self._connection, set().union(*map(instances_of, changes)))
        by_finding: dict[str, list[Entries]] = {}
        fitting: list[Group] = []
        for group, of_it in zip(groups, changes, strict=True):
            if (why := held.get(id(of_it)) or self._other_life(group, lives)) is not None:
                self._skip(group, why)
            else:
                by_finding.setdefault(of_it[0].finding, []).append(group)
                fitting.append(of_it)
        parts = [[by_finding[one[0].finding].pop(0) for one in cluster] for cluster in clusters(fitting)]
        self._restore(parts)

    def _restore(self, parts: Sequence[Sequence[Entries]]) -> None:
        """Put back the groups of instances that hang together: all at once, and one by one where that does not fit."""
        if not parts:
            return
        before = self._look_around(parts)
        planned = self._planned(parts, before)[0] if _is_taken_back(parts) else {}
        before = before.in_short()
        point = self._connection.begin_nested()
        tried = [done for part in parts if (done := [group for group in part if self._put_back(group)])]
        after = self._look_around(tried)
        again, unseen = self._planned(tried, after)
        after = replace(after, unseen=[*after.unseen, *unseen])
        names = {found(self._store, finding) for some in after.findings.values() for finding in some} | again.keys()
        judgements = [self._wrong(part, before, after, planned, again, names) for part in tried]
        wrong = {number: why for number, why in enumerate(judgements) if why is not None}
        if not wrong:
            point.commit()
            for part in tried:
                self._keep(part, before, after)
            return
        point.rollback()
        self._restore([part for number, part in enumerate(tried) if number not in wrong])
        for number, why in wrong.items():
            if len(tried[number]) == 1:
                self._skip(tried[number][0], why)
                continue
            # What was repaired in several passes is judged as it was then: what came last goes first.
            for group in tried[number]:
                self._restore([[group]])

    def _keep(self, part: Sequence[Entries], before: Surroundings, after: Surroundings) -> None:
        self.restored += part
        gone = sorted(set(_names(self._store, part, before)) - set(_names(self._store, part, after)))
        self.took_away |= {group[0].change.finding: gone for group in part}

    def _put_back(self, group: Entries) -> bool:
        """Put the before-images of one finding's changes back, all of them or none."""
        point = self._connection.begin_nested()
        why = CHANGED_SINCE
        try:
            if all(_put_back(self._store, self._connection, entry.change) for entry in group):
                point.commit()
                return True
        except DBAPIError as error:
            if isinstance(error, OperationalError) and not self._store.flavour.is_of_lock(error):
                raise
            why = REFUSED.format(self._store.flavour.translate_error(error).message)
        point.rollback()
        self._skip(group, why)
        return False

    def _skip(self, group: Entries, why: str) -> None:
        self.skipped += [(entry.change, why) for entry in group]

    def _other_life(self, group: Entries, lives: Mapping[str, tuple[int, int]]) -> str | None:
        """Return why an instance of the group is not as it was when its rows were changed; None where it may be."""
        made = min((entry.made_at_ms for entry in group if isinstance(entry.made_at_ms, int)), default=self._now_ms)
        for instance in sorted(instances_of(changes_of(group)) & lives.keys()):
            begun, ended = lives[instance]
            # A time that has not come yet is no time of an engine.
            if made < begun <= self._now_ms:
                return USED_AGAIN.format(instance)
            if made < ended <= self._now_ms:
                return ENDED_SINCE.format(instance)
        return None

    def _look_around(self, parts: Sequence[Sequence[Entries]]) -> Surroundings:
        touched = set().union(*(instances_of(changes_of(group)) for part in parts for group in part))
        return look_around(self._store, self._connection, touched, self._now_ms, 0)

    def _planned(
        self, parts: Sequence[Sequence[Entries]], around: Surroundings
    ) -> tuple[Mapping[str, Group], Sequence[str]]:
        """Return what would be planned for all that is found now, by the names of the findings.

        And in sentences, which checks could not look at rows that name no instance.
        """
        findings = [finding for some in around.findings.values() for finding in some]
        nobodys = [changes_of(group) for part in parts for group in part if not instances_of(changes_of(group))]
        known = [one for one in nobodys if one[0].check in checks().by_id]
        again = found_again(self._store, Reader(self._store, self._connection, self._now_ms, 0), known)
        groups = groups_for(self._store, self._connection, [*findings, *again.findings])
        return {group[0].finding: group for group in judged(self._store, groups, around)}, again.unseen

    def _wrong(
        self,
        part: Sequence[Entries],
        before: Surroundings,
        after: Surroundings,
        planned: Mapping[str, Group],
        again: Mapping[str, Group],
        names: Collection[str],
    ) -> str | None:
        """Return why the rows of this part do not fit where they were put; None where they do."""
        for group in part:
            if why := self._why_unfit(group, planned, again, names):
                return UNSEEN.format(after.unseen[0]) if after.unseen else why
        new = self._appeared(part, before, after)
        return None if new is None else APPEARED.format(new.check.id, new.message)

    def _why_unfit(
        self, group: Entries, planned: Mapping[str, Group], again: Mapping[str, Group], names: Collection[str]
    ) -> str | None:
        changes = changes_of(group)
        check, repair, finding = changes[0].check, changes[0].repair, changes[0].finding
        if check not in checks().by_id or repair not in repairs().by_id:
            return NOT_INSTALLED.format(check, repair)
        # Another version may say the same in other words, and an undo says nothing of its own.
        with_words = self._version == holystone.__version__ and changes[0].why != UNDO
        now = again.get(finding)
        if now is None or not _is_same(now, changes, with_words=with_words):
            # What an undo took back is repaired again: then the finding goes away.
            now = planned.get(finding)
            if now is None or finding in names or not _is_same(now, [reverse(change) for change in changes]):
                return MOVED_ON.format(check)
        if changes[0].safety == Safety.safe and now[0].safety != Safety.safe:
            return IN_DOUBT.format(now[0].unsafe_because)
        return None

    def _appeared(self, part: Sequence[Entries], before: Surroundings, after: Surroundings) -> Finding | None:
        """Return a finding that neither was there nor went away when the rows were changed; None where unknown."""
        expected = {entry.change.finding for group in part for entry in group}
        for group in part:
            for entry in group:
                if entry.took_away is None:  # the journal was made by an older version
                    return None
                expected |= entry.took_away
        touched = sorted(set().union(*(instances_of(changes_of(group)) for group in part)))
        known = {row_of(finding) for instance in touched for finding in before.findings.get(instance, ())}
        now = (finding for instance in touched for finding in after.findings.get(instance, ()))
        new = (one for one in now if row_of(one) not in known and found(self._store, one) not in expected)
        return next(new, None)


def changes_of(group: Entries) -> Group:
    return tuple(entry.change for entry in group)


def reverse(change: Change) -> Change:
    """Return the change that takes a change back, as its own journal entry."""
    images: dict[str, Any] = {"before": change.after, "after": change.before}
    return Change(**{**change.as_json(), **images, "why": UNDO})


def _is_taken_back(parts: Sequence[Sequence[Entries]]) -> bool:
    return any(entry.change.why == UNDO for part in parts for group in part for entry in group)


def _names(store: OpenStore, part: Sequence[Entries], around: Surroundings) -> Iterator[str]:
    touched = set().union(*(instances_of(changes_of(group)) for group in part))
    own = {group[0].change.finding for group in part}
    names = (found(store, finding) for instance in touched for finding in around.findings.get(instance, ()))
    return (name for name in names if name not in own)


def _is_same(planned: Sequence[Change], made: Sequence[Change], *, with_words: bool = False) -> bool:
    """Return whether the same rows are changed in the same way, in whatever order, and on the same evidence."""

    def effects(changes: Sequence[Change]) -> Counter[str]:
        left_out = {"safety", "unsafe_because"} | (set() if with_words else {"why"})
        documents = [change.as_json() for change in changes]
        kept = [{name: value for name, value in one.items() if name not in left_out} for one in documents]
        return Counter(map(Writer(sort_keys=True).sha256, kept))

    return effects(planned) == effects(made)


def _put_back(store: OpenStore, connection: Connection, change: Change) -> bool:
    """Put the before-image back; return False where the row is not the after-image any more."""
    rows = row_table(store, change.table)
    as_after = is_row(rows, values(store, {**change.key, **(change.after or {})}))
    if change.before is None:
        return connection.execute(delete(rows).where(as_after)).rowcount == 1
    before = values(store, change.before)
    if change.after is None:
        if connection.execute(select(*(rows.c[name] for name in change.key)).where(as_after)).first():
            return False
        connection.execute(insert(rows).values(before))
        return True
    return connection.execute(update(rows).where(as_after).values(before)).rowcount == 1


def _lives(store: OpenStore, connection: Connection, instance_ids: Collection[str]) -> Mapping[str, tuple[int, int]]:
    """Return for instances when they first began and when they came to their end, in ms since the epoch by the engine.

    0 stands for never, or for what nothing tells. That one execution is followed by the next is no end.
    """
    row, newest = history.c, history.alias("newest")
    last = select(func.max(newest.c.execution_id)).where(newest.c.instance_id == row.instance_id).scalar_subquery()
    is_first = (row.execution_id == 1) & (row.event_id == 1)
    is_end = (row.execution_id == last) & store.flavour.is_terminal(row.event_data)
    told = select(row.instance_id, row.execution_id, row.event_id).where(
        store.flavour.among(row.instance_id, sorted(instance_ids)), or_(is_first, is_end)
    )
    lives: dict[str, tuple[int, int]] = {}
    for instance, *number in connection.execute(told).all():
        # One at a time, for it can be as long as a database takes one.
        event = parse_event(connection.execute(select(event_text(instance, *number))).scalar())
        if event is None:
            continue
        begun, ended = lives.get(instance, (0, 0))
        if event["type"] in TERMINAL:
            is_end_of_all = TERMINAL[event["type"]] != CONTINUED_AS_NEW
            ended = max(ended, event["timestamp_ms"] if is_end_of_all else 0)
        else:
            begun = max(begun, event["timestamp_ms"])
        lives[instance] = begun, ended
    return lives
