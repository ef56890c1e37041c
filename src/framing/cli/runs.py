"""`framing runs`: what is recorded, and what could not be sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from framing.cli.terminal import errors, output, table
from framing.cli.train import tracking_config
from framing.errors import FramingError

app = typer.Typer(help="The recorded runs: list them, send what could not be sent.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Argument(help="The tracking folder; else that of conf/tracking.")]


@app.command("list")
def list_runs(folder: Folder = None) -> None:
    """The runs of the store, newest first, nested ones under their parents; killed ones are marked so.

    framing runs list
    """
    from framing.tracking.store import run_rows, store_file

    config = tracking_config(folder)
    rows = run_rows(config)
    if not rows:
        place = str(store_file(config) or config.experiment)
        raise FramingError(place, "no run is recorded there", "run `make train` first")
    table("runs, newest first", ["run", "status", "headline", "began", "id"], rows, numbers_from=9)


@app.command("upload")
def upload(
    folder: Folder = None,
    uri: Annotated[str | None, typer.Option(help="The store's address, if it has moved since.")] = None,
) -> None:
    """Send what runs could not tell a tracking server that was away. Giving the command twice does no harm.

    framing runs upload

    framing runs upload runs --uri http://other-host:5000
    """
    from framing.tracking.upload import upload_all

    folder = folder or tracking_config().folder
    reports = upload_all(folder, uri)
    for found in reports:
        output.print(f"{found.run}: {found.sent} sent, {found.left} wait", highlight=False)
        if found.remark:
            errors.print(f"{found.run}: {found.remark}", highlight=False, markup=False)
    if not reports:
        output.print(f"nothing waits in {folder}", highlight=False)
    if any(found.left for found in reports):
        cure = "start the server (or give --uri) and give the command again"
        raise FramingError(str(folder), "not everything could be sent", cure)
