from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.objects import INTERFERENCE

CHECK = Check(
    id="S003",
    name="object-added",
    title="Others have put something on the engine's tables that can stop or change what is written",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=INTERFERENCE,
    violated=lambda store: store.is_there,
    expects=lambda facts: facts.name_and_state,
    cause=no_cause,
    message="{observed[object]}: {observed[state]}",
    asserts=(
        "On the tables of the engine and of holystone there is nothing that can stop, swallow or change a write: no "
        "trigger that fires, no rule, no row security, and no index of others that is unique, that computes its "
        "values, whose condition can fail, or, on PostgreSQL, that holds a column of any length (output, event_data, "
        "work_item, custom_status, value), for an index row has at most 2,704 bytes. An index of others that does "
        "none of this is no fault, and neither is a trigger that is disabled or fires for replication alone. What is "
        "called holystone_ is holystone's own."
    ),
    harm=(
        "The engine's ack is one transaction: a trigger that raises an error makes it fail, time and again, and one "
        "that returns NULL, like a rule that does nothing instead, loses events without a word. Repairs are written "
        "through the same triggers, so no repair of such a store is safe."
    ),
    how_to_look={
        "sqlite": "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('trigger', 'index');",
        "postgresql": (
            "SELECT g.tgname AS name, g.tgrelid::regclass AS on_table, pg_get_triggerdef(g.oid) AS definition "
            "FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid "
            "WHERE NOT g.tgisinternal AND t.relnamespace = current_schema()::regnamespace "
            "UNION ALL SELECT r.rulename, r.ev_class::regclass, pg_get_ruledef(r.oid) FROM pg_rewrite r "
            "JOIN pg_class t ON t.oid = r.ev_class WHERE t.relnamespace = current_schema()::regnamespace "
            "UNION ALL SELECT t.relname, t.oid::regclass, 'row security' FROM pg_class t "
            "WHERE t.relrowsecurity AND t.relnamespace = current_schema()::regnamespace "
            "UNION ALL SELECT i.indexrelid::regclass::name, i.indrelid::regclass, pg_get_indexdef(i.indexrelid) "
            "FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid "
            "WHERE t.relnamespace = current_schema()::regnamespace;"
        ),
    },
    false_alarms=(
        "A trigger that only writes a log may never have done harm; but it can fail, and the engine's write fails with "
        "it. Put up with one that you know with a suppression. Event triggers are not looked at: they fire when "
        "objects are made, not when rows are written. With --instance the check is skipped."
    ),
    example=(
        "An audit trigger that inserts into a table which was dropped later; a unique index on an instance's name, "
        "made by an application that wanted to start each once."
    ),
    repair=NoRepair(
        "what it is for only those know who put it there: DROP TRIGGER, DROP RULE, DROP INDEX or ALTER TABLE ... "
        "DISABLE ROW LEVEL SECURITY takes it away, and until then no repair of the store is safe"
    ),
    questions=frozenset({Evidence.store}),
)
