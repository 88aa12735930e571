"""Begins a check or a repair: writes its files, with TODO where something has to be filled in.

python docs/new.py check E010 some-state --relation executions [--repair restore-something]
python docs/new.py repair restore-something

tests/catalogue/test_completeness.py then says in words what is still to do.
"""

import argparse
import re
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from string import Template
from typing import Any, NamedTuple

from holystone.scan import relations
from holystone.scan.relation import Relation

ROOT = Path(__file__).parents[1]
FAMILIES = {
    "E": "executions",
    "H": "history",
    "I": "instances",
    "Q": "queues and locks",
    "K": "keys",
    "S": "schema and database",
    "D": "pg_durable",
}

CHECK = Template("""\
from sqlalchemy import false

from holystone.scan.check import BOTH, Check, Level,$no_repair Severity, no_cause
from holystone.scan.evidence import EVERYTHING
from holystone.scan.relations.$module import $constant

CHECK = Check(
    id="$id",
    name="$name",
    title="TODO: the bad state in a few words, without a full stop",
    severity=Severity.error,
    level=Level.standard,
    flavours=BOTH,
    relation=$constant,
    # TODO: which rows may be wrong, by what the source in relations/$module.py has; rather too many.
    violated=lambda row: false(),
    # TODO: which of its facts tell that the row is bad, as [facts.column].
    expects=lambda facts: [],
    cause=no_cause,
    message="TODO: what is seen of one row, with {observed[column]} and {expected[column]}",
    asserts="TODO: what is true of every sound store, and what in the engine makes it so.",
    harm="TODO: what goes wrong while it stays as it is.",
    how_to_look="TODO: SQL that lists the bad rows, to paste; instance_id comes first.",
    false_alarms="TODO: when it is found though nothing is wrong.",
    example="TODO: how a store comes to be so.",
    repair=$repair,
    # TODO: what a finding makes doubtful; with everything no repair of the same instance is safe.
    questions=EVERYTHING,
    # TODO: the Proof, where what a prefilter has read surely shows that nothing is found; else None.
    proved_by=None,
)
""")

CASE = Template("""\
from cases.case import Case
from holystone.demo.scribe import Scribe, completed, started


def healthy(scribe: Scribe) -> None:
    # TODO: rows that look much like the bad ones, and are as they should be.
    scribe.execution("done", started(), completed())


def broken(scribe: Scribe) -> None:
    # TODO: the same rows, spoiled with scribe.change, scribe.remove or scribe.add.
    scribe.execution("done", started(), completed())


CASE = Case(
    healthy=healthy,
    broken=broken,
    # TODO: each finding as Found(instance_id=…, execution_id=…, observed={…}, expected={…}).
    findings=[],
    # TODO: where there is a repair, each row afterwards as Row(table=…, key={…}, columns={…}).
    repaired=[],
)
""")

REPAIR = Template("""\
from holystone.mend.repair import Repair, Safety, always
from holystone.scan.evidence import EVERYTHING

REPAIR = Repair(
    id="$id",
    title="TODO: what to do about it, as an order without a full stop",
    # TODO: safe only where the engine is never worse off than without it.
    safety=Safety.unsafe,
    # TODO: what to do to which rows: mostly set_expected(facts.column), with Repair[…Facts] above.
    steps=lambda facts: [],
    applies=always,
    does="TODO: which columns it sets, and to what.",
    loses="TODO: what is not known any more afterwards.",
    needs="TODO: what has to be there.",
    undone="TODO: what is put back, and where it is not.",
    # TODO: what it relies on.
    rests_on=EVERYTHING,
)
""")


class Refused(Exception):
    """Says in a sentence why nothing was written."""


class Place(NamedTuple):
    """Where a relation is declared, and by what name."""

    module: str
    constant: str


def known_relations() -> Mapping[str, Place]:
    """Return all relations that a check may look at, by their names."""
    found = {}
    for info in iter_modules(relations.__path__):
        module = import_module(f"{relations.__name__}.{info.name}")
        for constant, value in vars(module).items():
            if isinstance(value, Relation) and type(value).__module__ == module.__name__:
                found[value.name] = Place(info.name, constant)
    return found


def new_check(id: str, name: str, relation: str, repair: str | None) -> dict[Path, str]:
    """Return the files of a new check, and of its repair where that is new as well; Refused where it cannot be."""
    _require_id(id)
    _require_name(name)
    taken = [path.stem for path in (ROOT / "checks").glob("*.py")]
    if named := [stem for stem in taken if stem.endswith(f"_{_file(name)}")]:
        raise Refused(f"The name {name} is taken by checks/{named[0]}.py.")
    places = known_relations()
    if relation not in places:
        raise Refused(f"There is no relation {relation!r}; there are {', '.join(sorted(places))}.")
    files: dict[Path, str] = {}
    if repair is not None and not (ROOT / "repair" / f"{_file(repair)}.py").exists():
        files = new_repair(repair)
    values: dict[str, Any] = {**places[relation]._asdict(), "id": id, "name": name}
    because = 'NoRepair("TODO: why no program may decide what to do")'
    values |= {
        "repair": because if repair is None else f'"{repair}"',
        "no_repair": " NoRepair," if repair is None else "",
    }
    module = f"{id.lower()}_{_file(name)}.py"
    files[ROOT / "checks" / module] = CHECK.substitute(values)
    files[ROOT / "tests" / "cases" / module] = CASE.substitute(values)
    return files


def new_repair(id: str) -> dict[Path, str]:
    """Return the file of a new repair; Refused where it cannot be."""
    _require_name(id)
    path = ROOT / "repair" / f"{_file(id)}.py"
    if path.exists():
        raise Refused(f"The repair {id} is there already: repair/{path.name}.")
    return {path: REPAIR.substitute(id=id)}


def _require_id(id: str) -> None:
    if not re.fullmatch(f"[{''.join(FAMILIES)}][0-9]{{3}}", id):
        families = ", ".join(f"{letter} ({of})" for letter, of in FAMILIES.items())
        raise Refused(f"{id!r} is no id: it has the letter of a family and three digits. Families are {families}.")
    numbers = {int(path.stem[1:4]): path for path in (ROOT / "checks").glob(f"{id[0].lower()}[0-9]*.py")}
    following = f"{id[0]}{max(numbers, default=0) + 1:03}"
    if int(id[1:]) in numbers:
        raise Refused(f"{id} is taken by checks/{numbers[int(id[1:])].name}; the next free one is {following}.")
    if id != following:
        raise Refused(f"{id} is not the next free id of its family, which is {following}: ids are never used again.")


def _require_name(name: str) -> None:
    if not re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)+", name):
        raise Refused(f"{name!r} is no name: it has two or more words of small letters and digits, joined by hyphens.")


def _file(name: str) -> str:
    return name.replace("-", "_")


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="docs/new.py", description="Begin a check or a repair.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    check = kinds.add_parser("check", help="write a check and its case")
    check.add_argument("id", help="the next free id of its family, such as E010")
    check.add_argument("name", help="the bad state, such as status-mismatch")
    check.add_argument("--relation", required=True, help="the rows that it looks at, such as executions")
    check.add_argument("--repair", help="the repair that it names, which is written where it is not there yet")
    kinds.add_parser("repair", help="write a repair").add_argument("id", help="such as restore-outcome")
    given = parser.parse_args(words)
    try:
        if given.kind == "check":
            files = new_check(given.id, given.name, given.relation, given.repair)
        else:
            files = new_repair(given.id)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 2
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    print("Next: python -m pytest -q tests/catalogue/test_completeness.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
