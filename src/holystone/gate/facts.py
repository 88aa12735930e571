"""What the rules ask of a store, each read when it is first asked for."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property

from sqlalchemy import Connection

from holystone.errors import HolystoneError
from holystone.flavours.structure import Objects
from holystone.gate import live, upgrade
from holystone.gate.deployed import Deployed
from holystone.gate.model import Deployment
from holystone.gate.registered import Registered
from holystone.mend.journal import Run
from holystone.mend.runs import log_of
from holystone.scan.check import Severity
from holystone.scan.reader import Reader
from holystone.scan.relations.toolkit_objects import TOOLKIT_OBJECTS, ToolkitFacts
from holystone.scan.relations.upgrades import has_met_newer
from holystone.scan.result import Outcome, Verdict
from holystone.scan.scan import Scan
from holystone.store.open_store import OpenStore
from holystone.store.shape import Shape, recognise


class Facts:
    """A store, with what is about to be deployed on it; a property raises HolystoneError where it cannot be read.

    The scan is made when a rule asks for drift.
    """

    def __init__(self, store: OpenStore, deployed: Deployed | None, registered: Registered | None, scan: Scan) -> None:
        self.store = store
        self.version = deployed
        self.application = registered
        self._scan = scan

    @cached_property
    def shape(self) -> Shape:
        """Which of the engine's schemas the store has."""
        with self._reading(self.store.unlocked_snapshot) as reader:
            return recognise(self.store, reader.connection)

    @cached_property
    def has_met_newer(self) -> bool:
        """Whether an engine has used the store that is newer than all that are known here."""
        with self._reading(self.store.snapshot) as reader:
            return has_met_newer(reader)

    @cached_property
    def unusable_indexes(self) -> Objects:
        """The engine's indexes that the database does not use, and why."""
        with self._reading(self.store.unlocked_snapshot) as reader:
            structure = reader.flavour.structure
            return structure.unusable_indexes(reader.connection, structure.lineage.tables)

    @cached_property
    def toolkit(self) -> ToolkitFacts:
        """Where holystone's own objects stand."""
        with self._reading(self.store.unlocked_snapshot) as reader:
            return next(iter(TOOLKIT_OBJECTS.found(reader)))

    @cached_property
    def runs(self) -> Sequence[Run]:
        """The runs of the journal, without their changes."""
        with log_of(self.store) as logged:
            return [one.run for one in logged]

    @cached_property
    def live(self) -> live.Live:
        """What goes on in the store."""
        with self._reading(self.store.snapshot) as reader:
            return live.live(reader)

    @property
    def deployed(self) -> Deployed:
        """The version that is about to be deployed, for rules that ask for one."""
        assert self.version is not None
        return self.version

    @property
    def registered(self) -> Registered:
        """What the application registers, for rules that ask for it."""
        assert self.application is not None
        return self.application

    @cached_property
    def deployment(self) -> Deployment:
        """What will happen when that version opens the store."""
        with self._reading(self.store.snapshot) as reader:
            return upgrade.deployment(reader, self.deployed)

    @cached_property
    def lost_column(self) -> str | None:
        """The column that an older version misses, so that it does not open the store."""
        with self._reading(self.store.unlocked_snapshot) as reader:
            return upgrade.lost_index(reader, self.deployed)

    @cached_property
    def drift(self) -> Mapping[str, int]:
        """Check -> its findings of severity error and above that are not in the baseline.

        HolystoneError where a check could not look.
        """
        count: Counter[str] = Counter()
        for finding in self._scan:
            if finding.severity >= Severity.error:
                count[f"{finding.check.id} {finding.check.name}"] += 1
        if self._scan.verdict is Verdict.incomplete:
            failed = [one for one in self._scan.results.values() if one.outcome is Outcome.failed]
            reasons = [str(one.reason or one.error) for one in failed]
            reasons += [one.message for one in self._scan.unloaded]
            reasons += [str(one.reason) for one in self._scan.unread]
            raise HolystoneError(
                f"The check could not look at all: {next(iter(reasons), 'no check applies to the store')}",
                "holystone check TARGET says the whole of it.",
            )
        return dict(sorted(count.items()))

    @contextmanager
    def _reading(self, snapshot: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Reader]:
        with snapshot() as connection:
            yield Reader(self.store, connection)
