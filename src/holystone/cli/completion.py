"""`holystone completion`: what a shell needs to complete commands and options."""

import click
from click.shell_completion import get_completion_class

from holystone.cli.exit_codes import Exit
from holystone.render.messages import block


@click.command(short_help="Print what a shell needs to complete commands.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the completion script for SHELL, for example: eval "$(holystone completion bash)"."""
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(context.find_root().command, {}, "holystone", "_HOLYSTONE_COMPLETE").source()
    block(script + "\n")
    return Exit.OK
