"""`holystone checks` and `holystone explain`: what the catalogue holds."""

import click

from holystone.cli.exit_codes import Exit
from holystone.cli.options import format_option


@click.command
@format_option("text", "json")
def checks(format_: str) -> int:
    """List the catalogue of checks."""
    import json

    from holystone.printable import one_line
    from holystone.scan.catalogue import checks as catalogue
    from holystone.scan.check import NoRepair

    if format_ == "json":
        rows = [
            {
                "id": check.id,
                "name": check.name,
                "title": check.title,
                "severity": check.severity.name,
                "level": check.level.name,
                "repair": None if isinstance(check.repair, NoRepair) else check.repair,
            }
            for check in catalogue()
        ]
        click.echo(json.dumps({"schema": 1, "checks": rows}, indent=1))
        catalogue().require_whole()
        return Exit.OK
    for check in catalogue():
        row = f"{check.id}  {check.severity.name:<8}  {check.level.name:<8}  {check.name:<28}  {check.title}"
        click.echo(one_line(row))
    click.echo("More on one: holystone explain ID")
    catalogue().require_whole()
    return Exit.OK


@click.command
@click.argument("id", metavar="ID")
def explain(id: str) -> int:
    """Show the runbook page of a check, or what a repair does."""
    from holystone.mend.repair import repairs
    from holystone.render.runbook import repair_page, shipped_page, terminal
    from holystone.scan.catalogue import checks as catalogue

    known = {repair.id: repair for repair in repairs()}
    page = repair_page(known[id]) if id in known else shipped_page(catalogue().get(id))
    click.echo(terminal(page), nl=False)
    return Exit.OK
