"""Executions whose version was edited by hand, in part: a fetch hands out what the engine's own does, and no more."""

from __future__ import annotations

from conftest import EngineStore
from turns.kit import LOCK_MS, Kit

PARTS = ("major", "minor", "patch")


def test_a_version_without_its_first_number_is_none_and_any_other_half_is_in_no_range(
    kit: Kit, made: EngineStore
) -> None:
    for part in PARTS:
        Kit(kit.store, "1.2.3").begin(part)
    for part in PARTS:
        kit.poke(part)
        made.execute(f"UPDATE executions SET duroxide_version_{part} = NULL WHERE instance_id = '{part}'")
    for supported in (((1, 0, 0), (1, 9, 99)), ((2, 0, 0), (2, 9, 99))):
        item = kit.store.fetch_orchestration_item(LOCK_MS, supported)
        assert item is not None
        assert item.instance_id == "major"
        assert kit.store.fetch_orchestration_item(LOCK_MS, supported) is None
        kit.store.abandon_orchestration_item(item.lock_token)
    for number, part in enumerate(PARTS, 1):
        made.execute(f"UPDATE executions SET duroxide_version_{part} = {number} WHERE instance_id = '{part}'")
