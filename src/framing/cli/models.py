"""`framing models` and `framing promote`: the registered taggers, and which of them is champion."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from framing.cli.options import Folder
from framing.cli.terminal import errors, output, table
from framing.cli.train import tracking_config
from framing.errors import FramingError

app = typer.Typer(help="List the registered taggers, read their cards, go back to the champion before.")

ModelName = Annotated[str | None, typer.Option(help="The registered model; else that of conf/tracking.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.callback(invoke_without_command=True)
def models(ctx: typer.Context, folder: Folder = None, model_name: ModelName = None, as_json: AsJson = False) -> None:
    """List the registered taggers: which is champion, how good each is, who promoted it and why.

    framing models                        the list

    framing models card 3                 the model card of version 3

    framing promote 3                     make version 3 champion, if it passes the gates

    framing models rollback               back to the champion before
    """
    if ctx.invoked_subcommand is not None:
        return
    from framing.tracking.registry import versions

    found = versions(tracking_config(folder, model_name))
    if as_json:
        typer.echo(json.dumps([asdict(version) for version in found], indent=1, default=dict))
        return
    heads = ["version", "alias", "run", "date (UTC)", "mean macro-F1", "schema", "data", "promoted"]
    table("Registered taggers", heads, [_row(version) for version in found], len(heads))


def _row(version: Any) -> list[str]:
    date = datetime.fromtimestamp(version.created / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    data = version.tags.get("data") or version.run_tags.get("data", "")
    alias = ", ".join(version.aliases)
    return [str(version.number), alias, version.run_name, date, _headline(version.metrics),
            version.tags.get("schema", ""), data, _promoted(version.tags)]  # fmt: skip


def _headline(metrics: Any) -> str:
    if "test/headline" not in metrics:
        return "-"
    value = f"{metrics['test/headline']:.3f}"
    low, high = metrics.get("test/headline_low"), metrics.get("test/headline_high")
    return value if low is None or high is None else f"{value} [{low:.3f}, {high:.3f}]"


def _promoted(tags: Any) -> str:
    """`anna 2026-11-22, forced: the champion knows no Czech`; "" for a version that never was."""
    if "promoted_by" not in tags:
        return ""
    forced = "forced: " if tags.get("forced") == "yes" else ""
    said = f"{tags['promoted_by']} {tags['promoted_at'][:10]}, {forced}{tags.get('promoted_because', '')}"
    back = f"; rolled back {tags['rolled_back_at'][:10]}" if "rolled_back_at" in tags else ""
    return said + back


@app.command()
def card(
    version: Annotated[str, typer.Argument(help="A version's number, or its run.")],
    folder: Folder = None,
    model_name: ModelName = None,
) -> None:
    """Print a version's model card (Markdown): data, scores, calibration, limits, use, licence."""
    from framing.tracking.registry import find_version
    from framing.tracking.runs import recorded_run
    from framing.tracking.tracker import CARD

    config = tracking_config(folder, model_name)
    found = find_version(config, version)
    file = recorded_run(config, found.run_id).folders[0] / CARD
    if not file.is_file():
        raise FramingError(f"version {found.number}", "its run left no card", "it was trained by an older version")
    typer.echo(file.read_text(encoding="utf-8"), nl=False)


@app.command()
def rollback(
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    folder: Folder = None,
    model_name: ModelName = None,
) -> None:
    """Make the champion before the present one champion again."""
    from framing.tracking import registry

    config = tracking_config(folder, model_name)
    left, now = registry.rollback(config, reason)
    before = "one that was deleted" if left is None else str(left)
    output.print(f"{config.model_name} version {now} is the champion again, in place of {before}", highlight=False)


def promote(
    version: Annotated[str, typer.Argument(metavar="RUN|VERSION", help="A version's number; or a run's name or id.")],
    non_inferior: Annotated[
        bool, typer.Option("--non-inferior", help="Enough if it is not worse by more than .02 (mean macro-F1).")
    ] = False,
    force: Annotated[
        str | None, typer.Option(metavar="REASON", help="Promote in spite of failed gates, and record why.")
    ] = None,
    as_json: AsJson = False,
    folder: Folder = None,
    model_name: ModelName = None,
) -> None:
    """Make a registered tagger the champion, the one that `framing predict` takes, if it passes the gates.

    Gates: the champion's schema and test set, no test article learned from, a better mean macro-F1 by the paired test
    over articles, no worse calibration, and an artifact that loads in a new process. Exit code 2 if one fails.

    framing promote 3                                  by number

    framing promote bundled-corpus-s1                  the version that a run registered

    framing promote 3 --non-inferior                   a smaller model that is as good

    framing promote 3 --force "the new schema"         all the same; who, when and why is recorded
    """
    from framing import promotion

    if force is not None and not force.strip():
        raise FramingError("--force", "no reason given", 'write why: --force "the new schema"')
    config = tracking_config(folder, model_name)
    found = promotion.examine(config, version, non_inferior=non_inferior)
    uses = promotion.note_use(config, found)
    _show(found, uses, as_json)
    promotion.promote(config, found, force)
    said = errors if as_json else output  # who reads the JSON wants nothing after it
    said.print(f"{config.model_name} version {found.challenger.number} is the champion now", highlight=False)


def _show(found: Any, uses: int, as_json: bool) -> None:
    if as_json:
        values = {"version": found.challenger.number, "passed": found.passed, "test_set": found.test, "test_uses": uses}
        typer.echo(json.dumps({**values, "gates": [asdict(gate) for gate in found.gates]}, indent=1))
        return
    rows = [["passed" if gate.passed else "FAILED", gate.name, gate.finding] for gate in found.gates]
    against = f"against version {found.champion.number}" if found.champion else "(there is no champion)"
    table(f"Gates for version {found.challenger.number} {against}", ["", "gate", "finding"], rows, 3)
    if uses:
        times = "once" if uses == 1 else f"{uses} times"
        errors.print(f"this test set has now decided {times}: each use makes it less of a test", style="dim")
