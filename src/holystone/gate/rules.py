"""The rules of the gate: one clear table, in the order in which they are asked. Ids are never reused."""

from collections.abc import Iterator

from holystone.duroxide.engine_version import in_words
from holystone.duroxide.release import Rule as EngineRule
from holystone.errors import HolystoneError
from holystone.gate.facts import Facts
from holystone.gate.live import Instances
from holystone.gate.rule import Asks, Rule
from holystone.printable import shown
from holystone.scan.check import Severity


def _schema_unknown(facts: Facts) -> Iterator[str]:
    shape = facts.shape
    if not shape.is_newer:
        yield from (fault for fault in shape.faults if fault not in shape.ledger)


def _migration_half_done(facts: Facts) -> Iterator[str]:
    if not facts.shape.is_newer:
        yield from facts.shape.ledger


def _engine_newer(facts: Facts) -> Iterator[str]:
    if facts.shape.is_newer or facts.has_met_newer:
        yield "an engine has used the store that is newer than all that are known here"


def _engine_older(facts: Facts) -> Iterator[str]:
    deployed, deployment = facts.deployed, facts.deployment
    if deployment.opens:
        return
    last = f"the store is at the engine's migration {facts.store.engine_migration}, {deployed} ends at"
    if deployed.refuses_newer:
        yield f"{last} {deployed.migration}, and does not open it: it knows none of the migrations behind that"
    elif facts.store.flavour.name == "postgresql":
        yield f"{last} {deployed.migration}: it opens the store without a word, and calls functions that are others now"
    elif facts.lost_column is None:
        yield f"{last} {deployed.migration}: it opens the store without a word, and fails what it cannot read"
    else:
        yield f"{last} {deployed.migration}, and does not open it: it looks for {facts.lost_column}, which is gone"


def _written_by_newer(facts: Facts) -> Iterator[str]:
    deployed = facts.deployed
    pins = EngineRule.pins_executions in deployed.writes.rules
    then = "passes over what began there" if pins else "takes them up all the same, for it knows no pins"
    for version, found in sorted(facts.live.versions.items()):
        if version > deployed.newest:
            yield f"{_live(found)} with events of core {in_words(version)}, and this version {then}"


def _unreadable(facts: Facts) -> Iterator[str]:
    for kind, found in sorted(facts.live.unreadable(facts.deployed.writes).items()):
        yield f"{_live(found)} with {shown(kind)}, which this version cannot read: it fails what holds it as poison"


def _runs_beside(facts: Facts) -> Iterator[str]:
    if facts.deployment.opens:
        yield from facts.deployment.because


def _orchestration_unregistered(facts: Facts) -> Iterator[str]:
    for (name, version), found in sorted(facts.live.unregistered(facts.registered).items(), key=str):
        wanted = shown(name) if version is None else f"{shown(name)} {shown(version)}"
        yield f"the orchestration {wanted} is not registered: {_live(found)}"


def _activity_unregistered(facts: Facts) -> Iterator[str]:
    if facts.registered.activities is None:
        return
    for name, found in sorted(facts.live.activities.items()):
        if name not in facts.registered.activities:
            yield f"the activity {shown(name)} is not registered: {_live(found)}"


def _toolkit_newer(facts: Facts) -> Iterator[str]:
    toolkit = facts.toolkit.toolkit
    if toolkit.is_newer:
        yield f"the revision {shown(str(toolkit.revision))} of holystone's own tables is none that is known here"


def _toolkit_behind(facts: Facts) -> Iterator[str]:
    if facts.toolkit.pending.differs:
        yield f"pending: {facts.toolkit.pending.observed}"


def _toolkit_altered(facts: Facts) -> Iterator[str]:
    if facts.toolkit.lacking.differs:
        yield f"missing, or another than its revision made it: {facts.toolkit.lacking.observed}"


def _run_unfinished(facts: Facts) -> Iterator[str]:
    for run in facts.runs:
        if run.finished_at_ms is None:
            yield f"the {shown(run.kind)} {shown(run.run_id)} has not come to its end"


def _journal_altered(facts: Facts) -> Iterator[str]:
    for run in facts.runs:
        if wrong := [*run.unreadable, *run.altered]:
            yield f"run {shown(run.run_id)}: {wrong[0]}"


def _leftovers(facts: Facts) -> Iterator[str]:
    for name, state in facts.unusable_indexes.items():
        yield f"index {shown(name)}: {state}"


def _drift(facts: Facts) -> Iterator[str]:
    for check, count in facts.drift.items():
        yield f"{check}: {count:,} {'finding' if count == 1 else 'findings'}"


def _live(found: Instances) -> str:
    """Return how many there are that run or are about to begin, and one of them by name."""
    if found.count == 1:
        return f"1 live instance ({shown(found.example)})"
    return f"{found.count:,} live instances (such as {shown(found.example)})"


RULES: tuple[Rule, ...] = (
    Rule(
        id="G001",
        name="schema-unknown",
        severity=Severity.critical,
        asks=Asks.nothing,
        asserts="The engine's tables, indexes and functions are those of a known version, as check S001 says.",
        why="A migration that comes upon other tables stops half way, or makes of them what no engine expects.",
        next_step="holystone migrate status TARGET lists what differs; undo it, or restore the schema from a backup.",
        found=_schema_unknown,
    ),
    Rule(
        id="G002",
        name="migration-half-done",
        severity=Severity.critical,
        asks=Asks.nothing,
        asserts="The engine's ledger has each migration up to its last, run to the end, and as it was published.",
        why="The engine runs a migration that is missing once more, and none after one that failed or is another one.",
        next_step="Restore the store from before the migration, or let the engine that began it finish.",
        found=_migration_half_done,
    ),
    Rule(
        id="G003",
        name="engine-newer",
        severity=Severity.critical,
        asks=Asks.nothing,
        asserts="No engine has used the store that is newer than all that this version of holystone knows.",
        why="What such an engine writes is not known here, so nothing that the other rules say can be relied on.",
        next_step="Use a newer version of holystone: python -m pip install --upgrade holystone",
        found=_engine_newer,
    ),
    Rule(
        id="G004",
        name="engine-goes-back",
        severity=Severity.critical,
        asks=Asks.against,
        asserts="The version knows every migration of the engine that the store has.",
        why=(
            "On SQLite an older engine opens the store without a word, and what it cannot read it fails for good; on "
            "PostgreSQL one before provider 0.1.34 opens it, too, and mostly nothing goes on there; later ones refuse."
        ),
        next_step="Deploy the version that the store has met, or a newer one; or restore the store from before it.",
        found=_engine_older,
    ),
    Rule(
        id="G005",
        name="written-by-newer",
        severity=Severity.error,
        asks=Asks.against,
        asserts="No execution that runs has an event of a newer core than the version's.",
        why="An engine since 0.1.17 takes up nothing that began on a newer one, and is silent; older ones may fail it.",
        next_step="Let them end on that engine first: holystone executions list TARGET --status Running",
        found=_written_by_newer,
    ),
    Rule(
        id="G006",
        name="history-unreadable",
        severity=Severity.error,
        asks=Asks.against,
        asserts="The version can read each event of the executions that run, and each message that waits.",
        why="With the next message the engine fails such an instance as poison, and nothing brings it back.",
        next_step="Let them end on the engine that wrote this, before it is replaced.",
        found=_unreadable,
    ),
    Rule(
        id="G007",
        name="old-engine-must-stop",
        severity=Severity.warning,
        asks=Asks.against,
        asserts="The engine that has the store now may go on while the version is deployed beside it.",
        why="Two versions on one store take up each other's instances, so what only one of them can read fails.",
        next_step="Stop the old engine before the new one is started, on every machine.",
        found=_runs_beside,
    ),
    Rule(
        id="G008",
        name="orchestration-unregistered",
        severity=Severity.error,
        asks=Asks.registered,
        asserts="Each orchestration that runs or is about to begin is registered, in the version that it is pinned to.",
        why="The engine puts an instance off whose orchestration it does not know, and fails it after some attempts.",
        next_step="Keep the old version registered until: holystone executions list TARGET --status Running",
        found=_orchestration_unregistered,
    ),
    Rule(
        id="G009",
        name="activity-unregistered",
        severity=Severity.error,
        asks=Asks.registered,
        asserts="Each activity that waits for a worker is registered.",
        why="The worker puts an activity off that it does not know, and fails it after some attempts.",
        next_step="Keep the activity registered until the queue has none of it.",
        found=_activity_unregistered,
    ),
    Rule(
        id="G010",
        name="toolkit-newer",
        severity=Severity.error,
        asks=Asks.nothing,
        asserts="No newer version of holystone has upgraded the store.",
        why="This version does not know what the newer one keeps in it, and cannot read its journal.",
        next_step="Use the version of holystone that upgraded the store, or a newer one.",
        found=_toolkit_newer,
    ),
    Rule(
        id="G011",
        name="toolkit-behind",
        severity=Severity.error,
        asks=Asks.nothing,
        asserts="A store that holystone has upgraded or adopted has its newest revision; any other has none pending.",
        why="A repair after the deployment would have to change the schema first.",
        next_step="holystone migrate upgrade TARGET",
        found=_toolkit_behind,
    ),
    Rule(
        id="G012",
        name="toolkit-altered",
        severity=Severity.error,
        asks=Asks.nothing,
        asserts="What holystone's revisions made is there as they made it.",
        why="A half-done or edited revision takes the journal away just when a repair is to be undone.",
        next_step="holystone migrate upgrade TARGET builds indexes again; tables come back from a backup alone.",
        found=_toolkit_altered,
    ),
    Rule(
        id="G013",
        name="repair-unfinished",
        severity=Severity.error,
        asks=Asks.nothing,
        asserts="Every run of a repair in the journal has come to its end.",
        why="A run that was stopped, or still goes on, leaves rows that the new engine meets half repaired.",
        next_step="holystone repair resume TARGET",
        found=_run_unfinished,
    ),
    Rule(
        id="G014",
        name="journal-altered",
        severity=Severity.error,
        asks=Asks.nothing,
        asserts="No row of the journal was edited, added or removed by hand.",
        why="What a repair did can then not be undone, should the deployment have to be.",
        next_step="holystone repair log TARGET tells more; restore the journal's two tables from a backup.",
        found=_journal_altered,
    ),
    Rule(
        id="G015",
        name="index-left-invalid",
        severity=Severity.error,
        asks=Asks.nothing,
        asserts="The database uses every index of the engine's tables, as check S008 says.",
        why="What an interrupted build has left slows each write down, and stops a migration that builds it again.",
        next_step="holystone explain S008",
        found=_leftovers,
    ),
    Rule(
        id="G016",
        name="drift",
        severity=Severity.error,
        asks=Asks.nothing,
        asserts="A check finds nothing of severity error or above that is not in the file of --baseline.",
        why="A migration, and the new engine, go by these rows.",
        next_step="holystone check TARGET",
        found=_drift,
    ),
)


def rule(word: str) -> Rule:
    """Return the rule of that id or name; HolystoneError where there is none."""
    for one in RULES:
        if word.lower() in (one.id.lower(), one.name):
            return one
    raise HolystoneError(f"There is no rule {word!r} of the gate.", f"They are {RULES[0].id} to {RULES[-1].id}.")
