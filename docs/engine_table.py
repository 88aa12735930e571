"""The table of engine versions, from what the tests of them found."""

import json
from pathlib import Path

from holystone.duroxide.releases import NEWEST_IN_WORDS, RELEASES

RESULTS = Path(__file__).parent.parent / "tests" / "engines" / "stores" / "results.json"
TRIED = {
    "test_it_is_clean_at_every_level": "clean",
    "test_each_event_and_message_is_described": "described",
    "test_statuses_are_what_the_engine_said": "statuses",
    "test_what_the_commands_show": "shown",
    "test_damage_is_repaired_and_the_newest_engine_goes_on": "repaired",
    "test_it_is_adopted_as_it_is": "adopted",
    "test_the_newest_engine_has_it_as_its_own": "brought up",
}
"""Test -> the column that it fills."""
_FLAVOURS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}

_ABOUT = f"""# Engines

What is known of the engine's versions is in one description, `duroxide/releases.py`; `holystone engines` prints it.
Every published version of the core up to {NEWEST_IN_WORDS} was built, and stores of those that write otherwise than the
one before are kept in `tests/engines`: with every state that the version can leave an instance in, on SQLite and
PostgreSQL. This table is made from the results of the tests on them, and says on which databases they passed.

| column | says |
|---|---|
| clean | nothing is found at any level but what the engine and its upgrades really leave wrong, by its check |
| described | each event, message and kind of failure is one that the description has for the version, with its fields |
| statuses | the status of every instance is the one that this engine itself gave it |
| shown | `executions list`, `executions show` and `migrate status` tell of it what is so |
| repaired | ends taken out of rows (E001) are found and restored, and the newest engine runs what lives to its end |
| adopted | `migrate adopt` recognises it, and touches none of the engine's tables and rows |
| brought up | `migrate upgrade --engine` makes of it what the newest engine opens as its own, and runs to its end |

With several versions the later ones have gone on with what the first one made. Stores that the newest PostgreSQL
provider has migrated are opened by no Python package yet: there *repaired* and *brought up* end before the engine.
A database that a cell does not name was not tried in the run that the table is made from.

"""


def engines_page() -> str:
    """Return the page, with a row for each store, and in each cell the databases on which the test passed."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    paths = list(dict.fromkeys(path for found in results.values() for path in found))
    order = {version: number for number, version in enumerate(v for one in RELEASES for v in one.versions)}
    paths.sort(key=lambda path: [len(path.split("-")), *(order[version] for version in path.split("-"))])
    lines = [f"| versions | {' | '.join(TRIED.values())} |", f"|---|{'---|' * len(TRIED)}"]
    for path in paths:
        cells = (_cell(results.get(test, {}).get(path, [])) for test in TRIED)
        lines.append(f"| {_in_words(path)} | {' | '.join(cells)} |")
    return _ABOUT + "\n".join(lines) + "\n"


def _in_words(path: str) -> str:
    versions = path.split("-")
    return " → ".join(versions) if len(versions) < 3 else f"{versions[0]} → each → {versions[-1]}"


def _cell(flavours: list[str]) -> str:
    if set(flavours) == set(_FLAVOURS):
        return "both"
    return ", ".join(_FLAVOURS[one] for one in flavours)
