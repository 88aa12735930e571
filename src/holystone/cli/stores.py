"""`holystone stores`: which stores there are in a place."""

import click

from holystone.cli.completions import complete_file
from holystone.cli.exit_codes import Exit
from holystone.cli.options import format_option, named_target


@click.command(short_help="List the stores of a folder or a database.")
@click.argument("places", metavar="WHERE...", nargs=-1, required=True, shell_complete=complete_file)
@format_option("text", "json")
def stores(places: tuple[str, ...], format_: str) -> int:
    """List the stores of a place: a database with all its schemas, a folder, or a pattern of SQLite files.

    Reads only. Other databases in a folder are passed over. `check --all` and `check` with the same folders and
    patterns look at these stores.
    """
    from holystone.errors import HolystoneError, NoTablesError
    from holystone.flavours.target import Target
    from holystone.render.messages import error
    from holystone.render.stores import stores_json, stores_text
    from holystone.store.open_store import OpenStore
    from holystone.store.stores import candidates, none_in, place

    def parse(word: str) -> Target:
        return named_target(word, None)

    found: list[OpenStore] = []
    failed: list[HolystoneError] = []
    for where in places:
        before = len(found) + len(failed)
        try:
            for candidate in candidates(where, parse, all_schemas=True):
                try:
                    found.append(OpenStore.open(candidate.target, read_only=True))
                except NoTablesError as none:
                    if candidate.named:
                        failed.append(none)
                except HolystoneError as unreadable:
                    failed.append(unreadable)
        except HolystoneError as unreachable:
            failed.append(unreachable)
        if len(found) + len(failed) == before:
            failed.append(none_in(place(where, parse)))
    if found:
        (stores_json if format_ == "json" else stores_text)(found)
    for one in failed:
        error(one.message, one.next_step)
    return Exit.COULD_NOT_RUN if failed else Exit.OK
