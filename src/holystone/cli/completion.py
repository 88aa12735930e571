"""`holystone completion`: what a shell needs to complete commands and options."""

import os
import re

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from holystone.cli.exit_codes import Exit
from holystone.render.messages import block


@click.command(short_help="Print what a shell needs to complete commands.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script for SHELL, for example: eval "$(holystone completion bash)"."""
    block(script_of(shell))
    return Exit.OK


def script_of(shell: str) -> str:
    """Return the completion script for a shell, one of bash, zsh and fish."""
    kind = get_completion_class(shell)
    assert kind is not None
    # Of the base class: that of bash would start one to see which it is.
    return ShellComplete.source(kind(click.Command("holystone"), {}, "holystone", "_HOLYSTONE_COMPLETE")).strip() + "\n"


_SCRIPT = r"""%(complete_func)s() {
    local kind value
    while IFS=, read -r kind value; do
        case $kind in
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_WORDS="${COMP_LINE:0:COMP_POINT}" %(complete_var)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""
_BEGUN_QUOTE = re.compile(r"""(?:^|\s)(['"])(?:(?!\1).)*$""")
_FOR_BASH = {"": re.compile(r"([^\w@%+=:,./-])"), "'": re.compile(r"(?!)()"), '"': re.compile(r'([$`"\\])')}
"""Quote in which the word is -> what bash takes there for more than itself. In single quotes it is nothing."""


class Bash(BashComplete):
    """Completion for bash of values that hold colons, blanks and other signs, as instances' ids do.

    Bash ends a word at each `=` and `:`, and takes what it is given for text of the command line.
    """

    source_template = _SCRIPT

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)
        begun = words.pop() if words and not line[-1].isspace() else ""
        self._typed = re.sub(r"[^=:]*$", "", begun.partition("=")[2] if begun.startswith("-") else begun)
        quoted = _BEGUN_QUOTE.search(line)
        self._special = _FOR_BASH[quoted[1] if quoted else ""]
        return words[1:], begun

    def format_completion(self, item: CompletionItem) -> str:
        rest = self._special.sub(r"\\\1", item.value.removeprefix(self._typed))
        return f"{item.type},{rest}"


class Zsh(ZshComplete):
    """Completion for zsh of files behind `=`, as in --config=FILE and --report junit=FILE.

    Click's script completes nothing the second time where it was found in fpath: its file is the body of the function
    then, and only the first call of it loads it.
    """

    source_template = ZshComplete.source_template.replace("_path_files -f", "compset -P '*='; _path_files -f").replace(
        "$zsh_eval_context[-1] == loadautofunc", "$funcstack[1] == _%(prog_name)s"
    )


class Fish(FishComplete):
    """The same for fish."""

    source_template = FishComplete.source_template.replace(
        "__fish_complete_path $metadata[2];",
        """set -l typed (commandline -ct);
            for path in (__fish_complete_path (string replace -r '^.*=' '' -- $typed));
                echo (string replace -r '[^=]*$' '' -- $typed)$path;
            end;""",
    )


for kind in (Bash, Zsh, Fish):
    add_completion_class(kind)
