"""What `check --format json` prints is as the published schema says, whatever the store is like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from holystone.render.report import json_schema
from schemas import in_order

from .helpers import GHOST, Run, Sample

SCHEMA = Path(__file__).parents[2] / "docs" / "report.schema.json"


def reported(run: Run, store: Sample, *words: str) -> object:
    return run("check", *store.words, "--format", "json", *words).json


@pytest.fixture
def validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    assert in_order(schema) == in_order(json_schema())
    # No member may be there that the schema does not tell of.
    for definition in schema["$defs"].values():
        definition["additionalProperties"] = False
    return Draft202012Validator(schema)


def test_reports_are_as_their_schema_says(run: Run, drifted: Sample, validator: Draft202012Validator) -> None:
    drifted.execute(GHOST)
    for words in (
        [],
        ["--level", "deep"],
        ["--max-findings", "0"],
        ["--instance", "order-*", "--ignore", "E001=known"],
    ):
        validator.validate(reported(run, drifted, *words))


def test_a_value_of_any_kind_is_as_the_schema_says(run: Run, drifted: Sample, validator: Draft202012Validator) -> None:
    drifted.execute("UPDATE executions SET output = NULL, status = 'Lost' WHERE instance_id = 'order-3'")
    report = reported(run, drifted, "--level", "deep")
    validator.validate(report)


def test_what_lacks_a_member_is_refused(run: Run, drifted: Sample, validator: Draft202012Validator) -> None:
    report = run("check", *drifted.words, "--format", "json").json
    del report["findings"][0]["fingerprint"]
    assert not validator.is_valid(report)


def test_a_verified_store_is_as_the_schema_says(run: Run, healthy: Sample, validator: Draft202012Validator) -> None:
    assert run("migrate", "upgrade", *healthy.words).status == 0
    for _ in range(2):
        validator.validate(reported(run, healthy, "--since", "last"))
