"""`framing train`: the only place that knows Hydra."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from framing.cli.terminal import TerminalReporter, output, table
from framing.config import RunConfig, check_config
from framing.errors import FramingError

Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="KEY=VALUE overrides and choices of conf/, as in `model=tfidf folds=5 training.seed=2`."),
]


def train(
    overrides: Overrides = None,
    show_config: Annotated[bool, typer.Option("--show-config", help="Print the configuration and end.")] = False,
    conf: Annotated[Path | None, typer.Option(help="Another configuration folder than the project's conf/.")] = None,
) -> None:
    """Train a tagger from a schema and annotations, score it, record it, register it.

    The configuration is composed from conf/ by Hydra; any value can be overridden:

    framing train                               what conf/train.yaml says

    framing train experiment=quick              a short list of differences, in conf/experiment/

    framing train model=tfidf                   the baseline

    framing train data=seeds folds=5            cross-validation by article

    framing train -m training.seed=1,2,3        several runs, one for each value

    framing train resume=RUN                    go on with a run that was interrupted
    """
    words = list(overrides or [])
    resumed = [word for word in words if word.startswith("resume=")]
    if resumed and any(not word.startswith(("resume=", "tracking")) for word in words):
        finding = "a run goes on with the configuration it began with"
        raise FramingError(resumed[0], finding, "give nothing but resume= and tracking settings, or start a new run")
    folder = conf or conf_folder()
    if {"-m", "--multirun"} & set(words):
        words = [word for word in words if word not in ("-m", "--multirun")]
        for combination in _sweep(words):
            output.print(" ".join(combination), style="bold", highlight=False, markup=False)
            _train_one(compose_values(folder, combination))
        return
    values = compose_values(folder, words)
    if show_config:
        import yaml

        typer.echo(yaml.safe_dump(values, sort_keys=False))
        return
    _train_one(values)


def _train_one(values: Mapping[str, Any]) -> None:
    config = check_config(values)
    resume = None
    if config.resume:
        config, resume = _recorded(config)
    with TerminalReporter() as reporter:
        reporter.say("starting (the libraries take a few seconds)")
        from framing.experiment import run

        result = run(config, reporter, resume)
    _show(result, config)


def conf_folder() -> Path:
    """conf/ of the project one stands in, of the checkout this is installed from, or of the wheel."""
    package = Path(__file__).resolve().parent.parent
    for folder in (Path("conf"), package.parent.parent / "conf", package / "conf"):
        if (folder / "train.yaml").is_file():
            return folder.resolve()
    raise FramingError("conf/train.yaml", "no configuration found", "run this in the project's folder, or give --conf")


def compose_values(folder: Path, overrides: list[str]) -> dict[str, Any]:
    import yaml
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if not (folder / "train.yaml").is_file():
        raise FramingError(str(folder), "no train.yaml in this folder", "give --conf a folder like the project's conf/")
    try:
        with initialize_config_dir(str(folder.resolve()), version_base="1.3"):
            composed = OmegaConf.to_container(compose("train", overrides), resolve=True)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        # Hydra says first what is wrong and then, in lines of its own, how it would look it up
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        cause = str(error.__cause__ or "").splitlines()
        finding = f"{first} ({cause[0]})" if cause else first
        cure = "`framing train --show-config` prints every key and its value"
        raise FramingError("config", finding.rstrip("."), cure) from None
    return {str(key): value for key, value in dict(composed).items() if key != "experiment"}  # type: ignore[arg-type]


def _sweep(overrides: list[str]) -> list[list[str]]:
    """All combinations of the values that overrides like `training.seed=1,2` list."""
    import itertools

    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    choices = []
    try:
        parser = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise FramingError("config", str(error).splitlines()[0], "write KEY=VALUE,VALUE") from None
    for word, parsed in zip(overrides, parser, strict=True):
        if parsed.is_sweep_override():
            key = parsed.get_key_element()
            choices.append([f"{key}={value}" for value in parsed.sweep_string_iterator()])
        else:
            choices.append([word])
    return [list(combination) for combination in itertools.product(*choices)]


def _recorded(config: RunConfig) -> tuple[RunConfig, str]:
    """The configuration that the run to go on with was started with, and its id."""
    import yaml

    from framing.tracking.store import find_run, run_config_text

    run_id = find_run(config.tracking, str(config.resume))
    values = yaml.safe_load(run_config_text(config.tracking, run_id))
    return check_config({**values, "tracking": config.tracking.model_dump(mode="json")}), run_id


def _show(result: Any, config: RunConfig) -> None:
    from framing.evaluation.report import METRICS, facet_rows

    table(f"{result.name}: scores on test", ["facet", "language", "positives", *METRICS], facet_rows(result.scores))
    if result.version is not None:
        state = "the champion now" if result.is_champion else "the challenger, not the champion"
        output.print(f"registered as {config.tracking.model_name} version {result.version}: {state}", highlight=False)
    output.print("next:", style="bold")
    if result.is_champion:
        output.print("  framing predict seeds            tag the articles of a folder", highlight=False)
    elif result.tagger is not None:
        output.print(f"  framing predict seeds --model {result.tagger}", highlight=False)
    if result.version is not None and not result.is_champion:
        output.print(f"  framing promote {result.version:<17}champion, if it beats the present one", highlight=False)
    if config.tracking.enabled:
        output.print("  make ui                          compare runs in the MLflow UI", highlight=False)


def tracking_config(folder: Path) -> Any:
    """The configured tracking, at `folder`."""
    config = check_config(compose_values(conf_folder(), []))
    return config.tracking.model_copy(update={"folder": folder})
