"""Statements of a scan look rows up one by one, however much memory PostgreSQL has for another way."""

from __future__ import annotations

import pytest

from holystone.flavours.postgresql.flavour import PostgreSQL
from holystone.flavours.target import parse_target
from holystone.scan.catalogue import checks
from holystone.scan.relation import Question, Relation

RELATIONS = {relation.name: relation for check in checks() for relation in check.relations}


@pytest.mark.parametrize("relation", RELATIONS.values(), ids=list(RELATIONS))
def test_no_part_of_a_condition_reads_a_whole_table_into_memory(relation: Relation) -> None:
    """Of an EXISTS inside OR, NOT or CASE PostgreSQL may make a hashed subplan, over all of history."""
    flavour = PostgreSQL(parse_target("postgresql://localhost/nowhere", "engine"))
    predicates = [
        check.violated for check in checks() if relation in check.relations and flavour.name in check.flavours
    ]
    statement = Question(predicates, relation.source(flavour, [])).statement
    assert "EXISTS" not in str(statement.compile(dialect=flavour.dialect()))
