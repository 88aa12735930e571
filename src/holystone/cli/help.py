"""`holystone help` and `holystone version`: what others' tools have as commands, and click as options."""

import click

from holystone.cli.exit_codes import Exit


@click.command("help")
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def help_(context: click.Context, words: tuple[str, ...]) -> int:
    """Show the help of a command; the same as COMMAND --help."""
    from holystone.render.messages import block

    shown = context.find_root()
    for word in words:
        if not isinstance(shown.command, click.Group):
            raise click.UsageError(f"{shown.command_path} has no commands of its own.")
        _, found, _ = shown.command.resolve_command(shown, [word])
        assert found is not None
        shown = click.Context(found, info_name=word, parent=shown)
    block(f"{shown.get_help()}\n")
    return Exit.OK


@click.command
def version() -> int:
    """Show which version this is; the same as --version."""
    import holystone
    from holystone.render.messages import say

    say(f"holystone {holystone.__version__}")
    return Exit.OK
