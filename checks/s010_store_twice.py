from holystone.scan.check import Check, Level, NoRepair, Severity, no_cause
from holystone.scan.relations.restored import OTHER_STORES

CHECK = Check(
    id="S010",
    name="store-twice",
    title="The same executions run in another store of the database",
    severity=Severity.critical,
    level=Level.restored,
    flavours=frozenset({"postgresql"}),
    relation=OTHER_STORES,
    violated=lambda store: store.is_there,
    expects=lambda facts: facts.name_and_state,
    cause=no_cause,
    message="{observed[store]}: {observed[state]}",
    asserts=(
        "No execution that runs in this store, by its ids and its started_at, runs in another schema of the same "
        "database as well. Stores in other databases cannot be seen from here."
    ),
    harm=(
        "One of the two is a copy of the other. Where an engine opens both, each does all that the executions have "
        "still to do: every activity runs twice, and of events from outside each store gets a part."
    ),
    how_to_look=(
        "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname IN "
        "('instances', 'executions', 'history') GROUP BY n.nspname HAVING count(*) = 3;"
    ),
    false_alarms=(
        "A copy that is kept to be looked at, and that no engine opens. A role needs SELECT on the other store to be "
        "told. With --instance the check is skipped."
    ),
    example="A dump was restored under another name, beside the store that went on.",
    repair=NoRepair(
        "no program can tell which of two stores is wanted: let an engine open one alone, and drop the other"
    ),
    questions=frozenset(),
)
