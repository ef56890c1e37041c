"""The command `framing`: its parts in one place, and how it ends."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
import typer.core

from framing import __version__
from framing.cli import compare, data, demo, evaluate, export, models, predict, read, runs, schema, sweep, train
from framing.cli.terminal import errors, visible
from framing.errors import FramingError

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a disk answers that takes no more; where a write fails, unlike where a file is opened, no name is told."""


class _Commands(typer.core.TyperGroup):
    """What ends a command from outside: Typer would turn these into other exit codes by itself."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _told():  # --help and --version print here
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _told():
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()  # here a failure can still be told
            return result


@contextmanager
def _told() -> Iterator[None]:
    """What ends a command from outside (a closed pipe, Ctrl-C, a disk that refuses) as a line and an exit code."""
    try:
        yield
    except BrokenPipeError:
        # the reader of a pipe (head, less) has seen enough
        _write_no_more()
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        errors.print("\ninterrupted", style="yellow")
        raise typer.Exit(130) from None
    except OSError as error:
        finding = str(error.strerror).lower()
        if error.filename is not None:
            cure = "check the path, its permissions and the disk"
            raise FramingError(str(error.filename), finding, cure) from None
        if error.errno in _DISK:
            _write_no_more()
            raise FramingError("output", finding, "make room and run the same command again") from None
        raise


def _write_no_more() -> None:
    """What still waits for standard output goes nowhere: at the end Python would try once more, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


app = typer.Typer(
    cls=_Commands,
    name="framing",
    help="Train stance and framing classifiers for news from a codebook and annotations, and tag paragraphs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Start with `framing train`, then `framing predict FILE`. Every command explains itself with --help.",
)
app.command("train", context_settings={"ignore_unknown_options": True})(train.train)
app.command("sweep")(sweep.sweep)
app.command("predict")(predict.predict)
app.command("read")(read.read)
app.command("demo")(demo.demo)
app.command("export")(export.export)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("promote")(models.promote)
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")
app.add_typer(runs.app, name="runs")
app.add_typer(schema.app, name="schema")


def _version(show: bool) -> None:
    if show:
        typer.echo(f"framing {__version__}")
        raise typer.Exit


@app.callback()
def _framing(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and end."
    ),
) -> None:
    pass


def run() -> None:
    """Entry point. Exit codes: 0 done, 1 our bug, 2 bad input or set-up, 3 done without bad records, 130 stopped."""
    warnings.filterwarnings("ignore")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    try:
        app()
    except FramingError as error:
        for line in map(visible, str(error).split("\n")):
            errors.print(f"[bold red]error:[/] {line.replace('[', chr(92) + '[')}", highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    run()
