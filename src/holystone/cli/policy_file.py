"""The file of `--config`, or the one in the folder where the command runs: TOML, with every mistake in it named.

[checks.E007]
severity = "warning"                    # or level = "deep"

[checks.Q006]
ignore = "retried by hand, see OPS-12"  # a reason, which every report repeats

[[suppress]]
check = "I007"                          # or fingerprint = "0123456789abcdef"
instance = "import-*"
until = 2026-12-31
reason = "waits for the new importer"

[[waive]]                               # of `holystone gate`
rule = "G013"
until = 2026-12-31
reason = "the run goes on over the week-end"
"""

import os
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from holystone.cli.config_here import PROJECT_FILE
from holystone.cli.files import read_file
from holystone.errors import CatalogueError, HolystoneError
from holystone.scan.catalogue import checks
from holystone.scan.check import Level, Severity
from holystone.scan.policy import Override, Policy, Suppression

if TYPE_CHECKING:
    from holystone.gate.waiver import Waiver

E = TypeVar("E", bound=IntEnum)


def read_policy(file: str) -> Policy:
    """Return the policy in a file; HolystoneError, which names the entry, for anything that is not as it should be."""
    document, reader = _document(file), _Reader(file)
    overrides = document.get("checks", {})
    suppressions = document.get("suppress", [])
    if not isinstance(overrides, dict) or not isinstance(suppressions, list):
        _refuse(file, "checks should be tables [checks.ID], and suppress a list of tables [[suppress]]")
    return Policy(
        reader.overrides(overrides),
        [reader.suppression(number, table) for number, table in enumerate(suppressions, 1)],
        file,
    )


def read_waivers(file: str) -> "list[Waiver]":
    """Return the waivers of the gate in a file, those whose day is over among them; HolystoneError as `read_policy`."""
    waivers = _document(file).get("waive", [])
    if not isinstance(waivers, list):
        _refuse(file, "waive should be a list of tables [[waive]]")
    return [_Reader(file).waiver(number, table) for number, table in enumerate(waivers, 1)]


def _document(file: str) -> dict[str, Any]:
    if file == os.devnull:
        return {}
    try:
        document = tomllib.loads(read_file(file))
    except ValueError as error:  # of TOML, or of a number with thousands of digits
        _refuse(file, f"it is no TOML: {error}")
    except RecursionError:
        _refuse(file, "it is nested too deep")
    if os.path.basename(file) == PROJECT_FILE:
        tools = document.get("tool")
        document = tools.get("holystone", {}) if isinstance(tools, dict) else {}
    _Reader(file).known("it", document, {"checks", "suppress", "waive"})
    return document


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file

    def overrides(self, tables: Mapping[str, Any]) -> dict[str, Override]:
        overrides: dict[str, Override] = {}
        for name, table in tables.items():
            where = f"[checks.{name}]"
            id = self.id(where, name)
            if id in overrides:  # one entry in another case than the other
                _refuse(self.file, f"{where} is there twice")
            overrides[id] = self.override(where, table)
        return overrides

    def override(self, where: str, table: Any) -> Override:
        self.known(where, table, {"severity", "level", "ignore"})
        return Override(
            severity=self.member(where, table, "severity", Severity),
            level=self.member(where, table, "level", Level),
            ignored_because=self.text(where, table, "ignore"),
        )

    def suppression(self, number: int, table: Any) -> Suppression:
        where = f"[[suppress]] number {number}"
        self.known(where, table, {"check", "instance", "fingerprint", "until", "reason"})
        check, reason = self.text(where, table, "check"), self.text(where, table, "reason")
        if reason is None:
            _refuse(self.file, f"{where} has no reason")
        fingerprint = self.text(where, table, "fingerprint")
        if check is None and fingerprint is None:
            _refuse(self.file, f"{where} names neither a check nor a fingerprint")
        return Suppression(
            reason=reason,
            check=None if check is None else self.id(where, check),
            instance=self.text(where, table, "instance"),
            fingerprint=fingerprint,
            until=self.day(where, table, "until"),
        )

    def waiver(self, number: int, table: Any) -> "Waiver":
        from holystone.gate.rules import rule
        from holystone.gate.waiver import Waiver

        where = f"[[waive]] number {number}"
        self.known(where, table, {"rule", "until", "reason"})
        named, reason = self.text(where, table, "rule"), self.text(where, table, "reason")
        if named is None:
            _refuse(self.file, f"{where} names no rule")
        try:
            id = rule(named).id
        except HolystoneError as error:
            raise HolystoneError(f"{self.file}: {where}: {error.message}", error.next_step) from None
        if reason is None:
            _refuse(self.file, f"{where} has no reason")
        until = self.day(where, table, "until")
        if until is None:
            _refuse(self.file, f"{where} has no day until which it holds")
        return Waiver(id, until, reason)

    def known(self, where: str, table: Any, keys: set[str]) -> None:
        if not isinstance(table, dict):
            _refuse(self.file, f"{where} should be a table")
        if unknown := table.keys() - keys:
            _refuse(self.file, f"{where} has {min(unknown)!r}, and may have {', '.join(sorted(keys))}")

    def id(self, where: str, id: str) -> str:
        try:
            return checks().get(id).id
        except CatalogueError as error:
            raise HolystoneError(f"{self.file}: {where}: {error.message}", error.next_step) from None

    def text(self, where: str, table: Mapping[str, Any], key: str) -> str | None:
        value = table.get(key)
        if value is not None and not (isinstance(value, str) and value.strip()):
            _refuse(self.file, f"{key} of {where} should be a text, and is {value!r}")
        return value

    def day(self, where: str, table: Mapping[str, Any], key: str) -> date | None:
        value = table.get(key)
        if value is not None and (isinstance(value, datetime) or not isinstance(value, date)):
            _refuse(self.file, f"{key} of {where} should be a date such as 2026-12-31, without quotes")
        return value

    def member(self, where: str, table: Mapping[str, Any], key: str, kind: type[E]) -> E | None:
        value = self.text(where, table, key)
        if value is not None and value not in kind.__members__:
            _refuse(self.file, f"{key} of {where} should be one of {', '.join(kind.__members__)}, and is {value!r}")
        return None if value is None else kind[value]


def _refuse(file: str, wrong: str) -> NoReturn:
    raise HolystoneError(f"{file} cannot be used: {wrong}.", "Mend the file; docs/configuration.md shows one.")
