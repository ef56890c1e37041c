"""Options that several commands have, so that they are called and explained alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path | None, typer.Option(help="The tracking folder; else that of conf/tracking.")]
Model = Annotated[
    str | None,
    typer.Option(help="A tagger's folder, runs:/ID, models:/NAME/VERSION or @alias; else the champion."),
]
