"""The changes of one transaction: each instance judged anew before they are written, and once more after that."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, or_, select
from sqlalchemy.exc import DBAPIError, OperationalError

from holystone.flavours.savepoint import savepoint
from holystone.mend.change import Change, Group, found, instances_of, is_row, row_table, values
from holystone.mend.repair import Image, Safety
from holystone.mend.safety import groups_for, judged, same
from holystone.mend.surroundings import Surroundings, could_not_look, look_around
from holystone.mend.write import RowChangedError, write
from holystone.scan.catalogue import checks
from holystone.scan.failure import failure
from holystone.scan.finding import Finding, judge
from holystone.scan.reader import Reader
from holystone.scan.unread import Unread
from holystone.store.open_store import OpenStore

MOVED_ON = "the row or its history is no longer as planned"
UNSEEN = "not all can be looked at, so nothing tells whether it is still as planned: {}"
UNMENDED = "the check still finds the row after the change"
BESIDE = "another change of the same instance could not be made, and they go together or not at all"
REFUSED = "the database refuses the change: {}"
HELD = "the row is held by {}"
APPEARED = "after the change {} finds something new: {}"
CHANGED = "something else of ours has changed the row already: make a plan again"

Cluster = Sequence[Group]
"""The changes of instances that hang together: made together or not at all."""
Skipped = tuple[Change, str]
"""A change that was not made, and why."""


class Attempt:
    """What becomes of a chunk of changes: those `made`, those `skipped`, and how many rows were so `already`.

    The clusters `held` are left to be tried again, for others have locked rows of them: each with who has.
    `took_away` are by the names of the findings those others that went away with them, for the journal.
    """

    def __init__(
        self, store: OpenStore, connection: Connection, faults: Sequence[str], is_named: Callable[[Change], bool]
    ) -> None:
        self.made: list[Change] = []
        self.skipped: list[Skipped] = []
        self.held: list[tuple[Cluster, str]] = []
        self.already = 0
        self.took_away: dict[str, Sequence[str]] = {}
        self._store = store
        self._connection = connection
        self._faults = faults
        self._is_named = is_named
        self._now_ms = store.flavour.now_ms(connection)

    def make(self, clusters: Sequence[Cluster]) -> None:
        """Make the changes that are still right and still safe; no instance keeps the others from theirs."""
        groups = [group for cluster in clusters for group in cluster]
        if not groups:
            return
        held = held_groups(self._store, self._connection, groups)
        self.held = [(c, why) for c in clusters if (why := next((held[id(g)] for g in c if id(g) in held), None))]
        clusters = [cluster for cluster in clusters if not any(id(group) in held for group in cluster)]
        groups = [group for cluster in clusters for group in cluster]
        if not groups:
            return
        around = self._look_around(groups)
        current, unseen = self._current(groups, around)
        moved_on = UNSEEN.format(unseen[0]) if unseen else MOVED_ON
        right = [[group for group in cluster if self._is_right(group, current, moved_on)] for cluster in clusters]
        around = around.in_short()
        del current, groups  # each holds what is in the rows once more
        self._write([cluster for cluster in right if cluster], around)

    def _look_around(self, groups: Sequence[Group]) -> Surroundings:
        # The plan knows which rows were old enough to be no race, and these are the same rows.
        touched = set().union(*map(instances_of, groups))
        return look_around(self._store, self._connection, touched, self._now_ms, 0)

    def _current(self, groups: Sequence[Group], around: Surroundings) -> tuple[Mapping[str, Group], Sequence[str]]:
        """Return what would be planned now for the same findings, by their names, and what could not be looked at."""
        findings = {found(self._store, finding): finding for some in around.findings.values() for finding in some}
        by_key, unseen = self._found_by_key(groups)
        findings |= by_key
        wanted = {group[0].finding for group in groups}
        again = groups_for(self._store, self._connection, [findings[name] for name in wanted & findings.keys()])
        by_name = {group[0].finding: group for group in again}
        still = [by_name[group[0].finding] for group in groups if same(group, by_name.get(group[0].finding))]
        by_name |= {group[0].finding: group for group in judged(self._store, still, around, self._faults)}
        return by_name, [*around.unseen, *unseen]

    def _is_right(self, group: Group, current: Mapping[str, Group], moved_on: str) -> bool:
        """Return whether a planned group is still the one to make; where it is not, say what becomes of it.

        `moved_on` is the reason where it would not be planned any more.
        """
        now = current.get(group[0].finding)
        if now is None and all(_is_done(self._store, self._connection, change) for change in group):
            self.already += len(group)
            return False
        if now is None or not same(group, now):
            self._skip(group, moved_on)
            return False
        if now[0].safety != Safety.safe and not self._is_named(group[0]):
            self._skip(group, str(now[0].unsafe_because))
            return False
        return True

    def _skip(self, group: Group, why: str) -> None:
        self.skipped += [(change, why) for change in group]

    def _write(self, clusters: Sequence[Cluster], before: Surroundings) -> None:
        """Write the changes; take those back that leave anything wrong, and those that cannot be written."""
        if not clusters:
            return
        point = self._connection.begin_nested()
        try:
            for cluster in clusters:
                for group in cluster:
                    for change in group:
                        write(self._store, self._connection, change)
            after = self._look_around([group for cluster in clusters for group in cluster])
            wrong = self._wrong(clusters, before, after)
        except (RowChangedError, DBAPIError) as error:
            point.rollback()
            self._write_apart(clusters, before, error)
            return
        if not wrong:
            point.commit()
            self.made += [change for cluster in clusters for group in cluster for change in group]
            for cluster in clusters:
                self._note_others(cluster, before, after)
            return
        point.rollback()
        for number, reasons in wrong.items():
            for group in clusters[number]:
                self._skip(group, reasons.get(group[0].finding, BESIDE))
        self._write([cluster for number, cluster in enumerate(clusters) if number not in wrong], before)

    def _write_apart(self, clusters: Sequence[Cluster], before: Surroundings, error: Exception) -> None:
        """Write the halves of what could not be written together, down to the one that is to blame."""
        if isinstance(error, OperationalError) and not self._store.flavour.is_of_lock(error):
            raise error
        if len(clusters) > 1:
            half = len(clusters) // 2
            self._write(clusters[:half], before)
            self._write(clusters[half:], before)
            return
        why = CHANGED
        if isinstance(error, DBAPIError):
            why = REFUSED.format(self._store.flavour.translate_error(error).message)
        for group in clusters[0]:
            self._skip(group, why)

    def _note_others(self, cluster: Cluster, before: Surroundings, after: Surroundings) -> None:
        """Note the other findings that went away with those of a cluster."""
        touched = set().union(*map(instances_of, cluster))

        def names(around: Surroundings) -> set[str]:
            return {found(self._store, one) for instance in touched for one in around.findings.get(instance, ())}

        gone = sorted(names(before) - names(after) - {group[0].finding for group in cluster})
        self.took_away |= {group[0].finding: gone for group in cluster}

    def _wrong(
        self, clusters: Sequence[Cluster], before: Surroundings, after: Surroundings
    ) -> dict[int, dict[str, str]]:
        """Return the clusters, by number, that are not as they should be now: by the names of findings, why."""
        groups = [group for cluster in clusters for group in cluster]
        names = {found(self._store, finding) for some in after.findings.values() for finding in some}
        by_key, unseen = self._found_by_key(groups)
        names |= by_key.keys()
        wrong: dict[int, dict[str, str]] = {}
        for number, cluster in enumerate(clusters):
            reasons = {group[0].finding: UNMENDED for group in cluster if group[0].finding in names}
            if unseen:
                why = UNSEEN.format(unseen[0])
                reasons |= {group[0].finding: why for group in cluster if not instances_of(group)}
            if not reasons and (new := self._appeared(cluster, before, after)) is not None:
                why = APPEARED.format(new.check.id, new.message)
                reasons = {group[0].finding: why for group in cluster}
            if reasons:
                wrong[number] = reasons
        return wrong

    def _appeared(self, cluster: Cluster, before: Surroundings, after: Surroundings) -> Finding | None:
        """Return a finding that was not there before, in the instances of changes that nobody has asked for by name."""
        if any(group[0].safety != Safety.safe for group in cluster):
            return None
        touched = set().union(*map(instances_of, cluster))
        known = {row_of(finding) for instance in touched for finding in before.findings.get(instance, ())}
        now = (finding for instance in sorted(touched) for finding in after.findings.get(instance, ()))
        return next((finding for finding in now if row_of(finding) not in known), None)

    def _found_by_key(self, groups: Iterable[Group]) -> tuple[dict[str, Finding], list[str]]:
        """Return the findings that are still there of groups whose rows name no instance, by their names.

        And in sentences, which checks could not look.
        """
        nobodys = [group for group in groups if not instances_of(group)]
        again = found_again(self._store, Reader(self._store, self._connection, self._now_ms, 0), nobodys)
        return {found(self._store, finding): finding for finding in again.findings}, again.unseen


def row_of(finding: Finding) -> tuple[str, str, Any]:
    """Return what tells a finding from others, though its row may be moved to another instance."""
    row = finding.fingerprint if finding.row_id is None else finding.row_id
    return finding.check.id, finding.relation.name, row


class FoundAgain(NamedTuple):
    """Findings that are there, and in a sentence each, which checks could not look."""

    findings: list[Finding]
    unseen: list[str]


def found_again(store: OpenStore, reader: Reader, groups: Iterable[Group]) -> FoundAgain:
    """Return the findings of these groups that are there, whether or not their rows name an instance."""
    by_relation: dict[tuple[str, str], list[Image]] = defaultdict(list)
    for group in groups:
        table, key = group[0].found_in
        by_relation[group[0].check, table].append(key)
    again = FoundAgain([], [])
    for (id, table), keys in by_relation.items():
        check = checks().get(id)
        relation = next(relation for relation in check.relations if relation.table.fullname == table)
        columns = relation.table.c
        rows = [and_(*(columns[name] == value for name, value in values(store, key).items())) for key in keys]
        try:
            with savepoint(reader.connection):
                suspects = list(relation.suspects(reader, [check.violated], [or_(*rows)]))
            told = [judge(check, relation, facts) for _, facts in suspects if not isinstance(facts, Unread)]
        except OperationalError:  # the connection is lost, or a row is locked
            raise
        except (Exception, SystemExit) as error:  # of a plug-in's check
            again.unseen.append(could_not_look(id, failure(store.flavour, relation, error).reason))
            continue
        again.findings.extend(finding for finding in told if finding is not None)
    return again


def _is_done(store: OpenStore, connection: Connection, change: Change) -> bool:
    """Return whether the row is already what the change would make of it."""
    rows = row_table(store, change.table)
    wanted = is_row(rows, values(store, {**change.key, **(change.after or {})}))
    found = connection.execute(select(*(rows.c[name] for name in change.key)).where(wanted)).first() is not None
    return found == (change.after is not None)


def held_groups(store: OpenStore, connection: Connection, groups: Sequence[Group]) -> dict[int, str]:
    """Lock the rows of some groups; return for each of which others hold one, by its id(), who does."""
    held = {(one.table, one.key): one.by for one in store.flavour.lock_rows(connection, keys_by_table(store, groups))}
    if not held:
        return {}
    found: dict[int, str] = {}
    for group in groups:
        for table, key in _rows_of(group):
            in_order = tuple(value for _, value in sorted(values(store, key).items()))
            by = held.get((table, None)) or held.get((table, in_order))
            if by is not None:
                found[id(group)] = HELD.format(by)
    return found


def _rows_of(group: Group) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the table and the key of each row of a group: those that change, and the one that the finding is about."""
    return [group[0].found_in, *((change.table, change.key) for change in group)]


def keys_by_table(store: OpenStore, groups: Sequence[Group]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the keys of the groups' rows, those that change and those that the findings are about."""
    keys: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for group in groups:
        for table, key in _rows_of(group):
            keys[table].setdefault(repr(sorted(key.items())), values(store, key))
    return {table: list(rows.values()) for table, rows in keys.items()}
