"""`framing sweep`: the search for the best values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from framing.cli.compose import choices_of, compose_values, conf_folder
from framing.cli.terminal import TerminalReporter, output, table
from framing.config import check_config, check_sweep

if TYPE_CHECKING:
    from framing.sweep.search import Outcome


def sweep(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="KEY=VALUE overrides and choices of conf/, as in `sweep=quick sweep.trials=40`."),
    ] = None,
    conf: Annotated[Path | None, typer.Option(help="Another configuration folder than the project's conf/.")] = None,
) -> None:
    """Search the best values of a configuration: many trials, scored on dev or by cross-validation, never on test.

    The ranges stand in conf/sweep/; a sweep that was killed goes on by the same command, and several processes that
    are given the same command share its trials:

    framing sweep                                  what conf/sweep/encoder.yaml says

    framing sweep sweep=quick                      the baseline, in minutes

    framing sweep sweep=heads sweep.trials=40      twenty more trials of a sweep that had twenty

    framing sweep sweep=quick sweep.name=other model.max_features=20000

    framing sweep sweep=heads sweep.final=true     train the best configuration at the end and score it on test
    """
    words = list(overrides or [])
    folder = conf or conf_folder()
    values = compose_values(folder, words, "sweep")
    searched = check_sweep(values.pop("sweep"))
    config = check_config(values)
    with TerminalReporter() as reporter:
        reporter.say(f"sweep {searched.name}: {searched.trials} trials over {', '.join(searched.space)}")
        from framing.sweep.search import Plain, run_sweep

        choices = choices_of(folder, words, "sweep")
        plain = compose_values(folder, [f"{group}={choices[group]}" for group in ("data", "model", "training")])
        command = f"framing train --conf {conf}" if conf else "framing train"
        outcome = run_sweep(config, searched, Plain(choices, plain, command), reporter)
    _show(outcome, list(searched.space), command)


def _show(outcome: Outcome, keys: list[str], command: str) -> None:
    from framing.sweep.results import BEST, heads, trial_rows

    table("trials, best first", heads(keys), trial_rows(outcome.rows, keys), numbers_from=0)
    if not outcome.is_over:
        output.print("the other trials are at work in other processes; the last one sums up", highlight=False)
        return
    output.print("next:", style="bold")
    output.print(f"  {command} experiment={outcome.folder / BEST}   train with the best values", highlight=False)
    output.print(f"  {outcome.folder / 'sweep.png'}   the course, importances and values in pictures", highlight=False)
