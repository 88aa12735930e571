"""`holystone engines`: the versions of the engine that are known."""

import click

from holystone.cli.exit_codes import Exit
from holystone.cli.options import format_option


@click.command(short_help="List the engine's versions that are known.")
@format_option("text", "json")
def engines(format_: str) -> int:
    """List the engine's versions that are known, and what each changed.

    With the last migration of a SQLite store, and those of the versions of the PostgreSQL provider. An engine opens
    stores up to its own last migration; migrate status says it of a store.
    """
    from holystone.render.engines import engines_json, engines_text

    if format_ == "json":
        engines_json()
    else:
        engines_text()
    return Exit.OK
