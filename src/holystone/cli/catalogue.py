"""`holystone checks` and `holystone explain`: what the catalogue holds."""

import click

from holystone.cli.completions import complete_check
from holystone.cli.exit_codes import Exit
from holystone.cli.options import format_option


@click.command
@format_option("text", "json")
def checks(format_: str) -> int:
    """List the catalogue of checks."""
    from holystone.render.catalogue import catalogue_json, catalogue_text
    from holystone.scan.catalogue import checks as catalogue

    if format_ == "json":
        catalogue_json(catalogue())
    else:
        catalogue_text(catalogue())
    catalogue().require_whole()
    return Exit.OK


@click.command
@click.argument("id", metavar="ID", shell_complete=complete_check)
@format_option("text", "json")
@click.option("--pager/--no-pager", default=True, help="Page what is longer than the terminal, as PAGER says.")
def explain(id: str, format_: str, pager: bool) -> int:
    """Show the runbook page of a check, or what a repair does."""
    from holystone.mend.repair import repairs
    from holystone.render.catalogue import check_json, repair_json
    from holystone.render.messages import block, page
    from holystone.render.runbook import repair_page, shipped_page, terminal
    from holystone.scan.catalogue import checks as catalogue

    repair = repairs().by_id.get(id)
    if format_ == "json":
        check_json(catalogue().get(id)) if repair is None else repair_json(repair)
    else:
        write = page if pager else block
        write(terminal(shipped_page(catalogue().get(id)) if repair is None else repair_page(repair)))
    return Exit.OK
