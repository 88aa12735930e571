"""What each revision of holystone's own objects makes is declared, in the order of the revisions."""

from __future__ import annotations

from pathlib import Path

from holystone.store.toolkit import REVISIONS

VERSIONS = Path(__file__).parents[2] / "migrations" / "versions"


def test_each_revision_is_declared() -> None:
    files = {path.stem.partition("_")[0]: path.name for path in sorted(VERSIONS.glob("t*.py"))}
    lacks = [f"migrations/versions/{files[one]} has no entry in REVISIONS" for one in files if one not in REVISIONS]
    lacks += [f"REVISIONS has {one}, and migrations/versions has no such file" for one in REVISIONS if one not in files]
    assert not lacks, "\n".join(lacks)
    assert list(REVISIONS) == list(files)
