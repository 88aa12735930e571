"""What the application that is about to be deployed registers: its orchestrations, with versions, and activities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_FORM = 'it should hold orchestrations, as in {"Order": ["1.0.0"]}, and activities, as in ["Charge"]'


@dataclass(frozen=True)
class Registered:
    """Name of an orchestration -> its versions; and the names of the activities, None where nothing is said of them."""

    orchestrations: Mapping[str, frozenset[str]]
    activities: frozenset[str] | None

    def knows(self, name: str, version: str | None) -> bool:
        """Return whether an instance of this orchestration can go on; any version is enough where it names none."""
        return name in self.orchestrations and (version is None or version in self.orchestrations[name])


def registered(document: Any) -> Registered:
    """Return what a document of TOML or JSON says; ValueError with the rest of a sentence where it says something else.

    >>> registered({"orchestrations": {"Order": ["1.0.0"]}}).knows("Order", "2.0.0")
    False
    """
    if not isinstance(document, dict) or not isinstance(document.get("orchestrations"), dict):
        raise ValueError(_FORM)
    if unknown := document.keys() - {"orchestrations", "activities"}:
        raise ValueError(f"it has {min(unknown)!r}, and may have orchestrations and activities")
    orchestrations = {}
    for name, versions in document["orchestrations"].items():
        if not _is_list_of_texts(versions) or not versions:
            raise ValueError(f"the orchestration {name!r} should have a list of versions, each a text such as '1.0.0'")
        orchestrations[name] = frozenset(versions)
    activities = document.get("activities")
    if activities is not None and not _is_list_of_texts(activities):
        raise ValueError("activities should be a list of names")
    return Registered(orchestrations, None if activities is None else frozenset(activities))


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
