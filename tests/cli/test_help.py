"""What the command says of itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import click
import pytest

import holystone as package
from holystone.cli.main import cli
from holystone.mend.repair import repairs
from holystone.scan.catalogue import checks

from .helpers import COMMAND, Run, clean_environment, holystone


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    yield context.command_path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, click.Context(found, info_name=name, parent=context))


TREE = dict(commands(cli, click.Context(cli, info_name="holystone", **cli.context_settings)))


@pytest.mark.parametrize("path", TREE)
def test_every_command_and_option_has_a_help(run: Run, path: str) -> None:
    command = TREE[path]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
        else:
            assert (parameter.metavar or "") in run(*path.split()[1:], "--help").out.splitlines()[0]


@pytest.mark.parametrize("path", TREE)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_shows_its_help(run: Run, path: str, option: str) -> None:
    result = run(*path.split()[1:], option)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"Usage: {path}")


def test_the_commands_of_the_contract_are_there() -> None:
    contract = {
        "check",
        "checks",
        "completion",
        "demo",
        "explain",
        "gate",
        "migrate adopt",
        "migrate downgrade",
        "migrate sql",
        "migrate status",
        "migrate upgrade",
        "repair apply",
        "repair log",
        "repair plan",
        "repair resume",
        "repair undo",
    }
    assert {f"holystone {words}" for words in contract} <= TREE.keys()


def test_the_version(run: Run) -> None:
    assert run("--version").out == f"holystone {package.__version__}\n"


@pytest.mark.parametrize("id", [check.id for check in checks()])
def test_every_check_can_be_explained(run: Run, id: str) -> None:
    check = checks().get(id)
    said = run("explain", id.lower())
    assert said.status == 0
    assert said.out.startswith(f"{check.id} {check.name}")
    for heading in ("MEANING", "IMPACT", "DIAGNOSIS", "FALSE ALARMS", "EXAMPLE", "REPAIR"):
        assert heading in said.out


@pytest.mark.parametrize("id", [repair.id for repair in repairs()])
def test_every_repair_can_be_explained(run: Run, id: str) -> None:
    said = run("explain", id)
    assert said.status == 0
    assert said.out.startswith(id)


def test_the_catalogue_is_listed(run: Run) -> None:
    listed = run("checks", "--format", "json").json
    assert listed["schema"] == 1
    assert [one["id"] for one in listed["checks"]] == [check.id for check in checks()]
    for one in listed["checks"]:
        assert one.keys() == {"id", "name", "title", "severity", "level", "repair"}
        assert one["repair"] is None or one["repair"] in repairs().by_id
    said = run("checks").out
    assert all(check.id in said and check.name in said for check in checks())


@pytest.mark.parametrize("path", [path for path, command in TREE.items() if isinstance(command, click.Group)])
def test_no_sentence_of_a_list_is_cut(run: Run, path: str) -> None:
    listed = run(*path.split()[1:], "--help").out.partition("Commands:\n")[2].splitlines()
    assert listed
    for line in listed:
        assert line.endswith("."), line
        assert not line.endswith("..."), line


def test_help_and_version_are_commands_too(run: Run) -> None:
    assert run("help").out == run("--help").out
    assert run("help", "repair", "apply").out == run("repair", "apply", "--help").out
    assert run("version").out == run("--version").out
    assert run("help", "chek").status == 2
    assert run("help", "check", "more").status == 2


def test_what_the_environment_may_say_is_told(run: Run) -> None:
    assert "HOLYSTONE_DEBUG" in run("--help").out
    assert "HOLYSTONE_TARGET" in run("--help").out
    told = " ".join(run("check", "--help").out.split())
    assert "[env var: HOLYSTONE_CONFIG]" in told
    assert "[env var: HOLYSTONE_SCHEMA" in told


def test_a_check_is_explained_to_programs(run: Run) -> None:
    told = run("explain", "E001", "--format", "json").json
    assert told["schema"] == 1
    assert told["check"].keys() >= {"id", "name", "asserts", "harm", "sql", "repair"}
    assert told["check"]["sql"].keys() == {"sqlite", "postgresql"}
    assert run("explain", "restore-outcome", "--format", "json").json["repair"]["safety"] == "safe"


def test_pages_have_colours_where_they_are_forced() -> None:
    plain, coloured = (holystone("explain", "E001", environment=one).out for one in ({}, {"FORCE_COLOR": "1"}))
    assert "\x1b[" not in plain
    assert click.unstyle(coloured) == plain
    assert "\x1b[1mMEANING" in coloured
    assert "\x1b[34m\x1b[1mSELECT" in coloured


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_understands_its_completion(run: Run, shell: str) -> None:
    result = run("completion", shell)
    assert (result.status, result.err) == (0, "")
    assert "_HOLYSTONE_COMPLETE" in result.out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=result.out, text=True, check=True, timeout=60)


def test_an_unknown_shell_is_a_usage_error(run: Run) -> None:
    result = run("completion", "csh")
    assert (result.status, result.out) == (2, "")
    assert "'bash', 'zsh', 'fish'" in result.err


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("holystone ch", {"check", "checks"}),
        ("holystone repair ", {"apply", "log", "plan", "resume", "undo"}),
        ("holystone check --fail-on ne", {"never"}),
    ],
)
def test_the_completion_completes(line: str, offers: set[str]) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    done = subprocess.run(
        COMMAND,
        env=clean_environment({"_HOLYSTONE_COMPLETE": "bash_complete", **words}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert {answer.partition(",")[2] for answer in done.stdout.split()} == offers


def test_the_module_and_the_command_are_one() -> None:
    command = os.path.join(os.path.dirname(COMMAND[0]), "holystone")
    if not os.path.exists(command):
        pytest.skip("the command is not installed beside this Python")
    assert subprocess.run([command, "--version"], capture_output=True, text=True).stdout == holystone("--version").out
