"""`framing schema`: check a codebook, read it as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from framing.cli.terminal import output

app = typer.Typer(help="Check a labelling schema, or write the coder's handbook from it.", no_args_is_help=True)
DEFAULT = Path("data/schema.yaml")


@app.command()
def check(file: Annotated[Path, typer.Argument(help="The schema file.")] = DEFAULT) -> None:
    """Find every fault of a schema file at once, each with its line and its cure."""
    from framing.schema_file import read_schema

    schema = read_schema(file)
    counts = ", ".join(f"{facet.id} {len(facet.labels)} ({facet.choice})" for facet in schema.facets)
    output.print(f"{file}: no fault found; labels: {counts}; fingerprint {schema.fingerprint}", highlight=False)


@app.command()
def handbook(
    file: Annotated[Path, typer.Argument(help="The schema file.")] = DEFAULT,
    out: Annotated[Path, typer.Option("--output", "-o", help="Where to write the page.")] = Path("handbook.html"),
) -> None:
    """Write the coder's handbook: one page, to read on a screen or on paper."""
    from framing.handbook import handbook_html
    from framing.inference.prediction import whole_file
    from framing.schema_file import read_schema

    page = handbook_html(read_schema(file))
    with whole_file(out) as target:
        target.write(page)
    output.print(f"written: {out}", highlight=False)
