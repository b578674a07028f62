"""The verb over forms to fill: template."""

from __future__ import annotations

from pathlib import Path

import click

from kg.cli.call import Call, example, json_option, main, print_json, writing


@main.command(
    epilog=example(
        "kg template",
        "kg template chairing > chairing.csv",
        "kg template chairing tenure document --xlsx forms.xlsx",
    )
)
@click.argument("kinds", nargs=-1, metavar="[KIND]...")
@click.option(
    "--xlsx",
    type=click.Path(path_type=Path),
    help="Write a workbook, a sheet for each kind; of all if none is named.",
)
@click.option(
    "--all", "with_all", is_flag=True, help="All columns that the shapes allow, not only those in use."
)
@json_option
@click.pass_obj
def template(call: Call, kinds: tuple[str, ...], xlsx: Path | None, with_all: bool) -> None:
    """Print the form of each KIND of statement, to fill and to contribute; without a KIND, list them."""
    from kg import tables
    from kg.validation import Published

    published = Published.load(call.snapshot(), call.settings)
    known = tables.load_kinds(published)
    chosen = [tables.require_kind(known, one) for one in kinds] or list(known.values())
    ordered = list(tables.order_by_usage(published, chosen).values())
    if xlsx:
        with writing(xlsx):
            xlsx.write_bytes(tables.write_xlsx(ordered, with_all=with_all))
        call.progress(f"{xlsx}: {len(ordered)} kinds")
    elif call.is_json:
        print_json([one.as_json(with_all=with_all) for one in ordered])
    elif kinds:
        click.echo(tables.write_csv(ordered, with_all=with_all), nl=False)
    else:
        for one in ordered:
            click.echo(
                f"{one.slug}: {', '.join(column.header for column in one.columns if column.is_required)}"
            )
