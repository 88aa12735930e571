"""Writes what of the documentation is generated: runbook, engines, schemas, and the transcripts of README and guides.

python docs/build.py            writes it, which takes a minute or two
python docs/build.py E010       writes the page of this check, the index and the transcript
python docs/build.py --check    says what is stale, and exits with 1 where anything is
"""

import json
import sys
from collections.abc import Collection
from pathlib import Path

from engine_table import engines_page
from guide import GUIDES, written
from holystone.diagnosis import model as diagnosis
from holystone.gate import model as gate
from holystone.gate.rules import RULES
from holystone.render.report import json_schema
from holystone.render.runbook import check_page, index_page
from holystone.scan.catalogue import checks
from holystone.scan.check import Check
from manual import shared_files
from python_page import python_page
from reference import commands_page, json_page, repairs_page

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
SHARE = DOCS.parent / "share"
BEGIN, END = "<!-- generated: python docs/build.py -->\n", "<!-- end of generated -->\n"


def generated(ids: Collection[str] = ()) -> dict[Path, str]:
    """Return every generated file and what it should hold; of the checks' pages those of `ids`, where any is given.

    CatalogueError where there is no such check.
    """
    chosen = [checks().get(id) for id in ids] or checks()
    pages = {DOCS / "runbook" / f"{check.id}.md": _page(check) for check in chosen}
    pages[DOCS / "runbook" / "README.md"] = index_page(list(checks()))
    pages[DOCS / "report.schema.json"] = json.dumps(json_schema(), indent=1) + "\n"
    pages[DOCS / "why.schema.json"] = json.dumps(diagnosis.json_schema(), indent=1) + "\n"
    pages[DOCS / "gate.schema.json"] = json.dumps(gate.json_schema(), indent=1) + "\n"
    pages[DOCS / "gate.md"] = _gate()
    pages[DOCS / "engines.md"] = engines_page()
    pages |= {guide: written(guide.read_text(encoding="utf-8")) for guide in sorted(GUIDES.glob("*.md"))}
    reference = DOCS / "reference"
    pages |= {reference / "commands.md": commands_page(), reference / "repairs.md": repairs_page()}
    pages |= {reference / "json.md": json_page(), reference / "python.md": python_page()}
    pages[README] = _readme()
    return pages | {SHARE / place: text for place, text in shared_files().items()}


def _page(check: Check) -> str:
    from example import example

    page, run = check_page(check), example(check)
    return f"{page}\n```text\n{run}```\n" if run else page


def _readme() -> str:
    from transcript import transcript

    return _between_marks(README, f"```text\n{transcript()}```")


def _gate() -> str:
    """Return the guide to the gate, with the table of its rules."""
    rows = [
        f"| {one.id} {one.name} | {one.severity.name} | {one.asks.of_page} | {one.asserts} {one.why} | "
        f"{one.next_step} |"
        for one in RULES
    ]
    head = "| rule | severity | asked | asserts, and why | next |\n|---|---|---|---|---|"
    return _between_marks(DOCS / "gate.md", "\n".join([head, *rows]))


def _between_marks(page: Path, made: str) -> str:
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n{made}\n\n{END}{tail}"


def stale() -> list[Path]:
    """Return the generated files that are missing, differ, or should not be there."""
    wanted = generated()
    wrong = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return wrong + [path for path in _all_there_is() if path not in wanted]


def _all_there_is() -> list[Path]:
    """Return the files of the folders in which everything is generated."""
    return [*(DOCS / "runbook").glob("*.md"), *(path for path in SHARE.rglob("*") if path.is_file())]


def main(ids: Collection[str]) -> int:
    if "--check" in ids:
        wrong = stale()
        for path in wrong:
            print(f"stale: {path.relative_to(DOCS.parent)}")
        return 1 if wrong else 0
    wanted = generated(ids)
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in () if ids else set(_all_there_is()) - set(wanted):
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
