"""The table of engine versions, from what the tests of them found."""

import gzip
import json
from collections import defaultdict
from pathlib import Path

from holystone.duroxide.releases import NEWEST_IN_WORDS, RELEASES

DATABASES = Path(__file__).parent.parent / "tests" / "pg_durable" / "stores"
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
TRIED_ON_EXTENSION = {
    "test_found_without_a_schema": "found",
    "test_what_has_drifted_is_found": "judged",
    "test_sound_one_is_left_alone": "left alone",
    "test_drifted_ones_become_what_the_worker_would_have_written": "repaired",
    "test_rows_are_made_anew_after_a_restore": "made anew",
    "test_satellites_are_counted": "satellites",
    "test_satellite": "refused",
}
"""Test on databases of pg_durable -> the column that it fills."""
_OF_ONE = {
    "test_sound_one_is_left_alone": "g1_sound",
    "test_rows_are_made_anew_after_a_restore": "g6_restored",
    "test_satellites_are_counted": "g14_control_029",
    "test_satellite": "g14_satellite_029",
}
"""Test that is about one database alone -> which."""
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

A version that is not named writes nothing in a form that neither of its neighbours here does, which a test holds
against the description: their stores stand for its own.

With several versions the later ones have gone on with what the first one made: there is a store of each pair of an
older and a newer one, and one that all have gone on with. A cell names the databases on which the test passed for each
store of its row, with a number where it was not tried on all of them. Stores that the newest PostgreSQL provider has
migrated are opened by no Python package yet: there *repaired* and *brought up* end before the engine, and
`tox -e engines` has the provider itself run what lives in them to its end, after the same repair.
"""

_ABOUT_EXTENSION = """
## pg_durable

The databases are in `tests/pg_durable`: of the real extension, or made from one of these by the documents of a version.

| column | says |
|---|---|
| found | its engine's store is found without `--schema` |
| judged | D001 to D010 find what has drifted in it, with its cause, and nothing else, at standard and deep |
| left alone | a repair of all that is safe changes nothing |
| repaired | the safe repairs write what the worker would have written, and undo takes it back |
| made anew | `rebuild-df-rows` gives the rows back that the dump left out, but for times |
| satellites | the instances of other databases are left out, and counted |
| refused | a satellite by itself is refused, and the database to check is named |

"""

_BY_PROVIDER = "test_the_newest_provider_goes_on_with_what_is_repaired"


def engines_page() -> str:
    """Return the page: a row for the stores of each version, and for those with which newer ones have gone on."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))["engines"]
    paths = list(dict.fromkeys(path for found in results.values() for path in found))
    order = {version: number for number, version in enumerate(v for one in RELEASES for v in one.versions)}
    paths.sort(key=lambda path: [order[version] for version in path.split("-")])
    rows: dict[str, list[str]] = defaultdict(list)
    for kind in (1, 2, 3):  # versions by themselves, pairs, and all together
        for path in paths:
            if min(len(path.split("-")), 3) == kind:
                rows[_in_words(path)].append(path)
    lines = [f"| versions | stores | {' | '.join(TRIED.values())} |", f"|---|--:|{'---|' * len(TRIED)}"]
    for words, stores in rows.items():
        cells = (_cell([set(results.get(test, {}).get(path, [])) for path in stores]) for test in TRIED)
        lines.append(f"| {words} | {len(_FLAVOURS) * len(stores)} | {' | '.join(cells)} |")
    by_provider = len(results.get(_BY_PROVIDER, {}))
    told = f"So it did in {by_provider} of them.\n"
    return _ABOUT + (f"{told}\n" if by_provider else "\n") + "\n".join(lines) + "\n" + _extension_table()


def _extension_table() -> str:
    """Return the part about pg_durable: a row for each database, with its version and how it came about."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))["pg_durable"]
    lines = [f"| version | database | {' | '.join(TRIED_ON_EXTENSION.values())} |"]
    lines.append(f"|---|---|{'---|' * len(TRIED_ON_EXTENSION)}")
    for file in sorted(DATABASES.glob("*.json.gz")):
        name = file.name.removesuffix(".json.gz")
        with gzip.open(file, "rt", encoding="utf-8") as opened:
            version = json.load(opened)["pg_durable"]
        cells = (_is_done(results, test, name) for test in TRIED_ON_EXTENSION)
        lines.append(f"| {version} | `{name}` | {' | '.join(cells)} |")
    return _ABOUT_EXTENSION + "\n".join(lines) + "\n"


def _is_done(results: dict[str, list[str]], test: str, name: str) -> str:
    passed = test in results and (name in results[test] or _OF_ONE.get(test) == name)
    return "yes" if passed else ""


def _in_words(path: str) -> str:
    versions = path.split("-")
    if len(versions) < 3:
        return " → ".join([versions[0], *("each newer one" for _ in versions[1:])])
    return f"{versions[0]} → each in turn → {versions[-1]}"


def _cell(passed: list[set[str]]) -> str:
    counts = {words: sum(flavour in one for one in passed) for flavour, words in _FLAVOURS.items()}
    if set(counts.values()) == {len(passed)}:
        return "both"
    parts = [
        name if count == len(passed) else f"{name} {count} of {len(passed)}" for name, count in counts.items() if count
    ]
    return ", ".join(parts)
