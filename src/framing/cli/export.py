"""`framing export`: a trained tagger into one that tags several times faster, checked against it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from framing.cli.compose import compose_values, conf_folder
from framing.cli.options import Folder, Model
from framing.cli.tagging import find_tagger
from framing.cli.terminal import TerminalReporter, output, table
from framing.config import check_config
from framing.errors import FramingError

if TYPE_CHECKING:
    from framing.inference.export import Export
    from framing.inference.tagger import Tagger

_TIMED = 256


def export(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="KEY=VALUE choices of conf/ that say which data prove it, as in `data=seeds`."),
    ] = None,
    model: Model = None,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", help="The folder to write; without it `framing predict` keeps it.")
    ] = None,
    precision: Annotated[
        Literal["int8", "bf16", "float", "auto"],
        typer.Option(help="int8 is the fastest, float exact; auto: the fastest of the three that passes."),
    ] = "int8",
    folder: Folder = None,
) -> None:
    """Make a tagger several times faster: compiled for the processor, most of it in 8 bits, without torch.

    The export tags the dev part of the data it was trained on beside the tagger itself. It is refused, with exit code
    2, if more than 1 % of the decisions differ or a facet's macro-F1 falls by more than .005.

    framing export                               the champion; `framing predict` takes the export from then on

    framing export --output fast                 into a folder of its own, which can be copied anywhere

    framing export --precision auto              int8, or a finer one where int8 is refused

    framing predict --model fast news/ -o tags.jsonl
    """
    from framing.experiment import load_dataset
    from framing.inference.export import PRECISIONS, export_tagger
    from framing.inference.tagger import Tagger, kept_export
    from framing.splits import fewer, read_split, single_split

    config = check_config(compose_values(conf_folder(), list(overrides or [])))
    path, name = find_tagger(model, folder)
    with TerminalReporter() as reporter:
        reporter.say("loading the tagger and its data")
        tagger = Tagger.load(path, name)
        dataset = load_dataset(config, tagger.schema)
        frozen = config.data.splits
        split = read_split(frozen, dataset) if frozen else single_split(dataset, config.training.seed)
        split = fewer(split, config.data.train_articles)
        dev = dataset.of_documents(split.dev)
        if not len(dev):
            raise FramingError("data", "no dev part to prove an export on", "choose data with annotations")
        found = export_tagger(
            tagger,
            out or kept_export(path),
            PRECISIONS if precision == "auto" else (precision,),
            texts=dataset.of_documents(split.train).texts,
            dev=dev,
            reporter=reporter,
        )
    _show(found, tagger, dev.texts[:_TIMED])
    if out is None:
        output.print(f"`framing predict` takes it from now on for {name}", highlight=False)
    else:
        output.print(f"next: framing predict --model {out} FILE", highlight=False)


def _show(found: Export, tagger: Tagger, texts: list[str]) -> None:
    """The gate's numbers, size on disk, and paragraphs a second of both on the same texts."""
    from framing.inference.tagger import Tagger as Loader

    agreement = found.agreement
    rows = [
        [f"macro-F1 {facet}", f"{agreement.trained[facet]:.4f}", f"{agreement.exported[facet]:.4f}"]
        for facet in agreement.trained
    ]
    share = f"{agreement.share:.2%} of {agreement.decisions}"
    speeds = [_speed(one, texts) for one in (tagger, Loader.load(found.folder))]
    rows += [
        ["decisions that differ", "", share],
        ["paragraphs a second", *(f"{speed:.0f}" for speed in speeds)],
        ["megabytes on disk", "", f"{found.bytes / 1e6:.0f}"],
    ]
    heads = [f"dev, {agreement.paragraphs} paragraphs", "as trained", found.precision]
    table(f"exported to {found.folder}", heads, rows, 1)


def _speed(tagger: Tagger, texts: list[str]) -> float:
    tagger.logits(texts[:32])
    started = time.perf_counter()
    tagger.logits(texts)
    return len(texts) / (time.perf_counter() - started)
