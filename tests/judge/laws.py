"""The two laws: what the engine does on a store that was repaired, or called clean, against what it does otherwise."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from judge import messages
from judge.messages import Left

ENDED = ("Completed", "Failed")
Answer = Mapping[str, Any]
Untold = Mapping[str, Collection[str]]
"""Instance -> the keys that its history tells, where it does not tell all of them."""


@dataclass(frozen=True)
class Outcome:
    """What became of a store: as it stood, and after the engine went on with it."""

    stood: Answer
    """What `player.delete` answers."""
    played: Answer
    """What `player.play` answers."""
    left: Left = field(default_factory=dict)
    """The messages that are in the queues after that."""

    @property
    def failed(self) -> bool:
        """Whether the engine could not even open the store."""
        return "failed" in self.stood or "failed" in self.played

    def status(self, moment: str, instance: str) -> Mapping[str, Any]:
        answer: Answer = getattr(self, moment)
        found: Mapping[str, Any] = answer.get("instances", {}).get(instance, {"status": "NotFound"})
        return found

    def said(self, moment: str, instance: str) -> str:
        return str(self.status(moment, instance)["status"])

    def instances(self) -> set[str]:
        return {*self.stood.get("instances", ()), *self.played.get("instances", ())}

    def runs(self, activity: str) -> int:
        return int(self.played.get("runs", {}).get(activity, 0))

    def comparable(self) -> str:
        """All that is compared, as text."""
        played = {key: value for key, value in self.played.items() if key not in ("seconds", "refused")}
        return json.dumps([self.stood, played, sorted(self.left)], sort_keys=True)


def worse(original: Outcome, unrepaired: Outcome, repaired: Outcome) -> list[str]:
    """In what the repaired store is behind the unrepaired one; the original's outcome is always right."""
    if unrepaired.failed or repaired.failed:
        return ["the engine cannot open the repaired store"] if repaired.failed and not unrepaired.failed else []
    found = []
    for instance in sorted(unrepaired.instances() | repaired.instances()):
        for moment in ("stood", "played"):
            was, now = unrepaired.status(moment, instance), repaired.status(moment, instance)
            if now == was or now == original.status(moment, instance):
                continue
            if behind(was, now, original.status(moment, instance)):
                found.append(f"{instance} {moment}: {brief(was)} became {brief(now)}")
    for activity in sorted({*unrepaired.played["runs"], *repaired.played["runs"]}):
        before, wanted, times = (one.runs(activity) for one in (unrepaired, original, repaired))
        if not min(before, wanted) <= times <= max(before, wanted):
            found.append(f"{activity} ran {times} times, not {before}")
    found += message_by_message(original, unrepaired, repaired)
    if unrepaired.played["probe"] and not repaired.played["probe"]:
        found.append("a fresh orchestration does not run any more")
    for moment in ("stood", "played"):
        may = {*getattr(unrepaired, moment)["deleted"], *getattr(original, moment)["deleted"]}
        for instance in sorted({*getattr(repaired, moment)["deleted"]} - may):
            if unrepaired.said(moment, instance) not in ENDED and unrepaired.said(moment, instance) != "NotFound":
                found.append(f"{instance} {moment}: can be deleted now, is {unrepaired.said(moment, instance)}")
        could = {*getattr(unrepaired, moment)["deleted"]} & {*getattr(original, moment)["deleted"]}
        for instance in sorted(could - {*getattr(repaired, moment)["deleted"]}):
            # What the damage keeps from ending is kept, rightly.
            has_ended = original.said("stood", instance) in ENDED or repaired.said(moment, instance) in ENDED
            if has_ended and repaired.said(moment, instance) == unrepaired.said(moment, instance):
                found.append(f"{instance} {moment}: cannot be deleted any more")
    return found


def message_by_message(original: Outcome, unrepaired: Outcome, repaired: Outcome) -> list[str]:
    """What waits for its time in the unrepaired store, as it should, and does not in the repaired one; or for another.

    Of instances that have come further nothing is said: they have got their messages.
    """

    def waits_on(instance: str) -> bool:
        return repaired.said("played", instance) == unrepaired.said("played", instance)

    found = [
        f"gone: {messages.named(one)}"
        for one in messages.lost(original.left, unrepaired.left, repaired.left)
        if waits_on(one[1])
    ]
    due_before = {one for one, _, _ in messages.otherwise_due(original.left, unrepaired.left)}
    for one, time, right in messages.otherwise_due(original.left, repaired.left):
        if one in unrepaired.left and one not in due_before and waits_on(one[1]):
            found.append(f"due at {time}, not {right}: {messages.named(one)}")
    return found


def behind(was: Mapping[str, Any], now: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Whether an instance is worse off: not ended where it would have, ended otherwise, gone, or without what it shows.

    What the damage alone made fail need not fail: that it still waits is no worse.
    """
    made_to_fail = was["status"] == "Failed" and (right["status"], right.get("error")) != ("Failed", was["error"])
    if made_to_fail and now["status"] == "Running":
        return False
    if was["status"] in ENDED:
        otherwise = any(was.get(what) != now.get(what) for what in ("status", "output", "error"))
        return otherwise or lost(was, now, right)
    if was["status"] == "Running":
        # What it waits for may come now, but only as it should have come.
        if now["status"] in ENDED:
            return any(right.get(what) != now.get(what) for what in ("status", "output", "error"))
        return now["status"] != "Running" or lost(was, now, right)
    return False


def lost(was: Mapping[str, Any], now: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Whether a status text or a key that was right is not there any more."""
    if was.get("custom_status") == right.get("custom_status") != now.get("custom_status"):
        return True
    keys = right.get("keys") or {}
    return any(
        (was.get("keys") or {}).get(key) == value != (now.get("keys") or {}).get(key) for key, value in keys.items()
    )


def differs(original: Outcome, outcome: Outcome, untold: Untold | None = None) -> list[str]:
    """In what the engine does otherwise on a store than on the original, `untold` keys apart."""
    if outcome.failed:
        return [f"the engine cannot open it: {outcome.stood.get('failed') or outcome.played.get('failed')}"]
    found = []
    for instance in sorted(original.instances() | outcome.instances()):
        for moment in ("stood", "played"):
            right, now = (_told(one.status(moment, instance), instance, untold or {}) for one in (original, outcome))
            if right != now:
                found.append(f"{instance} {moment}: {brief(now)}, not {brief(right)}")
    for activity in sorted({*original.played["runs"], *outcome.played["runs"]}):
        if original.runs(activity) != outcome.runs(activity):
            found.append(f"{activity} ran {outcome.runs(activity)} times, not {original.runs(activity)}")
    found += [f"gone: {messages.named(one)}" for one in messages.lost(original.left, original.left, outcome.left)]
    for one, time, due in messages.otherwise_due(original.left, outcome.left):
        found.append(f"due at {time}, not {due}: {messages.named(one)}")
    if original.played["probe"] and not outcome.played["probe"]:
        found.append("a fresh orchestration does not run")
    for moment in ("stood", "played"):
        right_ones, now_ones = {*getattr(original, moment)["deleted"]}, {*getattr(outcome, moment)["deleted"]}
        if right_ones != now_ones:
            lacks, more = sorted(right_ones - now_ones), sorted(now_ones - right_ones)
            found.append(f"{moment}: cannot be deleted {lacks}, can be deleted {more}")
    return found


def _told(status: Mapping[str, Any], instance: str, untold: Untold) -> Mapping[str, Any]:
    kept = untold.get(instance)
    if kept is None:
        return status
    keys = {key: value for key, value in (status.get("keys") or {}).items() if key in kept}
    return {**status, "keys": keys}


def brief(status: Mapping[str, Any]) -> str:
    """A status in a few words."""
    rest = [
        f"{what}={status[what]!r}"[:70] for what in ("output", "error", "custom_status", "keys") if status.get(what)
    ]
    return " ".join([str(status["status"]), *rest])
