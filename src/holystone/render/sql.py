"""A plan as SQL: for those who must read, or run, every statement themselves."""

from typing import Any, TextIO

from sqlalchemy import delete, exists, insert, select, update

from holystone.mend.change import Change, is_row, row_table
from holystone.mend.plan import Plan
from holystone.printable import one_line
from holystone.render.terminal import key_of
from holystone.store.open_store import OpenStore


def plan_sql(store: OpenStore, plan: Plan, out: TextIO) -> None:
    """Write a statement for each safe change, in one transaction.

    A statement does nothing where the row is no longer as planned. Run by hand, nothing is journaled and
    nothing is locked against the engine.
    """
    out.write(f"-- Plan {plan.hash}. Run by hand it is not journaled, and the engine is not held off: stop it first.\n")
    out.write("BEGIN;\n")
    for change in plan.changes:
        out.write(f"-- {change.check} {change.repair}, {one_line(key_of(change.key))}: {one_line(change.why)}\n")
        if change.safety != "safe":
            out.write("-- left out: unsafe\n")
        else:
            out.write(_statement(store, change) + ";\n")
    out.write("COMMIT;\n")


def _statement(store: OpenStore, change: Change) -> str:
    literal = store.flavour.sql_literal
    as_before = {**change.key, **(change.before or {})}
    as_after = {**(change.key if change.before is None else {}), **(change.after or {})}
    rows = row_table(store, change.table, {**as_before, **as_after})
    same = is_row(rows, {name: None if value is None else literal(value) for name, value in as_before.items()})
    written = {name: literal(value) for name, value in as_after.items()}
    statement: Any
    if change.before is None:
        absent = select(*written.values()).where(~exists(select(1).select_from(rows).where(same)))
        statement = insert(rows).from_select(list(written), absent)
    elif change.after is None:
        statement = delete(rows).where(same)
    else:
        statement = update(rows).where(same).values(written)
    return str(statement.compile(dialect=store.flavour.dialect(), compile_kwargs={"literal_binds": True}))
