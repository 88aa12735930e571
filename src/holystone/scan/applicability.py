"""Which checks have a question to ask of a store."""

from functools import cached_property

from holystone.flavours.connector import LacksColumnError
from holystone.scan.catalogue import checks
from holystone.scan.check import Check
from holystone.scan.policy import Policy
from holystone.scan.relation import Relation
from holystone.store.open_store import OpenStore

_OLDER_ENGINE = "the store is of an older engine and lacks {}"


class Applicability:
    """Whether a check is run on a store, by what the store has, the policy, and the pattern of `instances` if any."""

    def __init__(self, store: OpenStore, policy: Policy, instances: str | None) -> None:
        self._store = store
        self._policy = policy
        self._instances = instances

    def why_not(self, check: Check) -> str | None:
        """Return why the check is not run on this store, None where it is."""
        if reason := self._policy.ignored_because(check):
            return f"ignored: {reason}"
        if self._store.flavour.name not in check.flavours:
            return f"does not apply to a store on {self._store.flavour.name}"
        if self._instances is not None and any(relation.of_store for relation in check.relations):
            return "it is about the store as a whole, and not about instances"
        lacking = [self.lacking(check, relation) for relation in check.relations]
        return None if None in lacking else lacking[0]

    def lacking(self, check: Check, relation: Relation) -> str | None:
        """Return what the store has not, and without which the check has no question; None where nothing is lacking."""
        if reason := relation.why_not(self._store):
            return reason
        for table, columns in relation.needs.items():
            if lacking := set(columns) - self._store.columns.get(table, frozenset()):
                what = f"{table}.{min(lacking)}" if table in self._store.columns else f"the table {table}"
                return _OLDER_ENGINE.format(what)
        if self._has_all_columns and checks().plug_in_of(check.id) is None:
            return None
        try:  # a plug-in's function that does not end is stopped here, and nowhere but in the main thread
            check.violated(relation.source(self._store.flavour, []))
        except LacksColumnError as error:
            return _OLDER_ENGINE.format(error)
        except Exception:
            return None  # the check fails in its own place, and is told of there
        return None

    @cached_property
    def _has_all_columns(self) -> bool:
        return self._store.flavour.is_complete
