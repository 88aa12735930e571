"""Which repairs go first: those that others rest on, and one of each row."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from holystone.mend.change import Group, instances_of
from holystone.mend.repair import repairs
from holystone.scan.catalogue import checks
from holystone.scan.evidence import Evidence


def disturbs(check: str, group: Group) -> frozenset[Evidence]:
    """Return what a finding of the check calls into question of what the group's repair rests on."""
    return checks().get(check).questions & repairs().get(group[0].repair).rests_on


def first_pass(groups: Sequence[Group]) -> tuple[list[Group], list[Group]]:
    """Return the groups that may be made at once, and those that wait for them.

    A repair waits for another one in an instance that both touch, where the other's finding questions what it rests on.
    Where each questions what the other rests on, both rest on what neither of them changes, the history: they are made
    together, in one transaction. Of two that change one row the second one waits.
    """
    present = _by_check(groups)
    now, later = _split(groups, lambda group: not _waits(group, present))
    rows: set[str] = set()

    def has_its_rows(group: Group) -> bool:
        wanted = {change.row for change in group if change.before is not None}
        taken = bool(rows & wanted)
        rows.update(wanted)
        return not taken

    now, second = _split(now, has_its_rows)
    later += second
    while later:
        waiting = _by_check(later)
        held_up = [group for group in now if _rests_on_any(group, waiting)]
        if not held_up:
            break
        now = [group for group in now if group not in held_up]
        later += held_up
    return now, later


def waiting_for(first: Sequence[Group], groups: Sequence[Group]) -> list[Group]:
    """Return those of the groups that have to wait for what is made first, by the same rules."""
    present, rows = _by_check(first), {change.row for group in first for change in group}
    return [g for g in groups if _rests_on_any(g, present) or rows & {change.row for change in g}]


def clusters(groups: Sequence[Group]) -> list[list[Group]]:
    """Return the groups sorted into such as touch the same instances: each is made as a whole or not at all."""
    leader: dict[str, str] = {}

    def of(instance: str) -> str:
        while (above := leader.setdefault(instance, instance)) != instance:
            leader[instance] = leader[above]
            instance = above
        return instance

    for group in groups:
        first, *others = sorted(instances_of(group)) or [group[0].row]
        for other in others:
            leader[of(other)] = of(first)
    found: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        found[of(min(instances_of(group), default=group[0].row))].append(group)
    return list(found.values())


def _split(groups: Sequence[Group], is_first: Callable[[Group], bool]) -> tuple[list[Group], list[Group]]:
    parts: tuple[list[Group], list[Group]] = ([], [])
    for group in groups:
        parts[not is_first(group)].append(group)
    return parts


def _by_check(groups: Iterable[Group]) -> dict[str, dict[str, Group]]:
    """Return for each instance the checks of the groups that touch it, each with one of those groups."""
    present: dict[str, dict[str, Group]] = defaultdict(dict)
    for group in groups:
        for instance in instances_of(group):
            present[instance].setdefault(group[0].check, group)
    return present


def _others(group: Group, present: dict[str, dict[str, Group]]) -> Iterable[Group]:
    """Yield one group of each other check in the instances that the group touches."""
    for instance in instances_of(group):
        yield from (other for check, other in present.get(instance, {}).items() if check != group[0].check)


def _waits(group: Group, present: dict[str, dict[str, Group]]) -> bool:
    return any(
        disturbs(other[0].check, group) and not disturbs(group[0].check, other) for other in _others(group, present)
    )


def _rests_on_any(group: Group, present: dict[str, dict[str, Group]]) -> bool:
    return any(disturbs(other[0].check, group) for other in _others(group, present))
