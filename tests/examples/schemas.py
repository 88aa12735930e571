"""What is ready to paste is what Kubernetes, GitHub and GitLab take: `tox -e examples` asks their schemas."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}
BUILTIN = {
    str(file.relative_to(EXAMPLES)): schema
    for folder, schema in SCHEMAS.items()
    for file in sorted((EXAMPLES / folder).iterdir())
}


@pytest.mark.parametrize(("file", "schema"), BUILTIN.items(), ids=BUILTIN)
def test_its_schema_takes_it(file: str, schema: str) -> None:
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(EXAMPLES / file)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", sorted((ROOT / ".github" / "workflows").iterdir()), ids=lambda file: file.name)
def test_its_own_workflows_are_taken(file: Path) -> None:
    test_its_schema_takes_it(str(file), "vendor.github-workflows")


@pytest.mark.parametrize("file", sorted((EXAMPLES / "kubernetes").iterdir()), ids=lambda file: file.name)
def test_kubernetes_takes_it(file: Path) -> None:
    import kubernetes_validate
    import yaml

    for document in yaml.safe_load_all(file.read_text()):
        kubernetes_validate.validate(document, "1.33", strict=True)
