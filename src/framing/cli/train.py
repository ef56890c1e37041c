"""`framing train`: a run, or several under one parent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from framing.cli.compose import combinations, compose_values, conf_folder
from framing.cli.terminal import TerminalReporter, output, table
from framing.config import RunConfig, TrackingConfig, check_config, check_tracking
from framing.errors import FramingError, raise_all
from framing.yaml_file import read_yaml

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

    framing train leave_out.key=language        each language tested by a tagger that did not see it

    framing train -m training.seed=1,2,3        several runs under one parent, with their mean and spread

    framing train experiment=runs/sweeps/heads/best.yaml   what a sweep found

    framing train resume=RUN                    go on with a run that was interrupted
    """
    words = list(overrides or [])
    resumed = [word for word in words if word.startswith("resume=")]
    if resumed and any(not word.startswith(("resume=", "tracking")) for word in words):
        finding = "a run goes on with the configuration it began with"
        raise FramingError(resumed[0], finding, "give nothing but resume= and tracking settings, or start a new run")
    folder = conf or conf_folder()
    swept = None
    if {"-m", "--multirun"} & set(words):
        swept = combinations([word for word in words if word not in ("-m", "--multirun")])
    if show_config:
        _show_config([compose_values(folder, combination) for combination in swept or [words]])
    elif swept is not None and len(swept) > 1:
        _train_several(folder, swept)
    else:
        _train_one(compose_values(folder, swept[0] if swept else words))


def _show_config(composed: list[dict[str, Any]]) -> None:
    """One configuration as YAML, or several as documents of one YAML stream."""
    import yaml

    typer.echo(yaml.safe_dump_all(composed, sort_keys=False))


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


def _train_several(folder: Path, swept: list[list[str]]) -> None:
    """One run for each combination of values, under one parent; all are checked before the first begins."""
    fixed = set.intersection(*(set(combination) for combination in swept))
    labels = [" ".join(word for word in combination if word not in fixed) for combination in swept]
    checked = {label: check_config(compose_values(folder, c)) for label, c in zip(labels, swept, strict=True)}
    with TerminalReporter() as reporter:
        reporter.say(f"{len(checked)} runs, starting (the libraries take a few seconds)")
        from framing.multirun import run_all

        results = run_all(checked, reporter)
    from framing.summary import facet_values

    good = {
        label: facet_values(found.scores) for label, found in results.items() if not isinstance(found, FramingError)
    }
    if good:
        keys = [key for key in next(iter(good.values())) if key == "headline" or key.endswith("/macro_f1")]
        rows = [[label, *(f"{values.get(key, float('nan')):.3f}" for key in keys)] for label, values in good.items()]
        table("macro-F1 on test", ["run", *(key.removesuffix("/macro_f1") for key in keys)], rows, numbers_from=1)
    raise_all([found for found in results.values() if isinstance(found, FramingError)])


def _recorded(config: RunConfig) -> tuple[RunConfig, str]:
    """The configuration that the run to go on with was started with, and its id."""
    import yaml

    from framing.tracking.store import find_run, run_config_text

    run_id = find_run(config.tracking, str(config.resume))
    values = brought_up(yaml.safe_load(run_config_text(config.tracking, run_id)))
    return check_config({**values, "tracking": config.tracking.model_dump(mode="json")}), run_id


def brought_up(values: dict[str, Any]) -> dict[str, Any]:
    """A recorded configuration as it is known today: what a run of an earlier version did not know, it did without."""
    values.setdefault("leave_out", {"key": None, "values": None})
    for name in ("join_neighbours", "negative_focus", "negative_margin"):
        values["training"].setdefault(name, 0.0)
    values["training"].setdefault("most_readings", None)
    values["model"].setdefault("sentence_weight", 0.0)
    return values


def _show(result: Any, config: RunConfig) -> None:
    from framing.evaluation.report import METRICS, facet_rows

    table(f"{result.name}: scores on test", ["facet", "language", "positives", *METRICS], facet_rows(result.scores))
    if result.version is not None:
        state = "the champion now" if result.is_champion else "the challenger, not the champion"
        output.print(f"registered as {config.tracking.model_name} version {result.version}: {state}", highlight=False)
    output.print("next:", style="bold")
    for command, meaning in _next_commands(result, config.tracking):
        output.print(f"  {command:<32} {meaning}".rstrip(), highlight=False, markup=False, soft_wrap=True)


def _next_commands(result: Any, tracking: TrackingConfig) -> Iterator[tuple[str, str]]:
    """Commands that go on from a run and what they do, with the options that they need to find what it recorded."""
    from framing.tracking.store import store_file, store_uri, without_password

    try:
        usual = tracking_config()
    except FramingError:  # these commands will say so themselves; the run has ended well
        usual = None
    store = quote(without_password(store_uri(tracking)))
    # Where conf/ names a store, the environment would not be asked.
    is_elsewhere = tracking.uri is not None and (usual is None or usual.uri is None)
    before = f"MLFLOW_TRACKING_URI={store} " if is_elsewhere else ""
    same_folder = usual is not None and usual.folder.absolute() == tracking.folder.absolute()
    folder = "" if same_folder else f" --folder {quote(str(tracking.folder))}"
    same_name = usual is not None and usual.model_name == tracking.model_name
    name = quote(tracking.model_name)
    if result.is_champion:
        model = "" if same_name else f" --model models:/{name}@champion"
        yield f"{before}framing predict seeds{model}{folder}", "tag the articles of a folder"
    elif result.tagger is not None:
        yield f"framing predict seeds --model {quote(str(result.tagger))}", ""
    if result.version is not None and not result.is_champion:
        model = "" if same_name else f" --model-name {name}"
        yield f"{before}framing promote {result.version}{model}{folder}", "champion, if it beats the present one"
    if tracking.enabled:
        shown = store if store.startswith("http") else f"mlflow ui --backend-store-uri {store}"
        ours = store_file(tracking) == Path("runs/mlflow.db").absolute()
        yield "make ui" if ours else shown, "compare runs in the MLflow UI"


def tracking_config(folder: Path | None = None, model_name: str | None = None) -> TrackingConfig:
    """The configured tracking, with another folder or registered model if they are given.

    It is read as the one group of conf/ that it is, without Hydra where it is plain YAML.
    Composing everything would take `framing predict` half a second of its three.
    """
    conf = conf_folder()
    _, choices = _group(conf / "train.yaml")
    chosen = [item["tracking"] for item in choices.get("defaults", []) if isinstance(item, dict) and "tracking" in item]
    file = conf / "tracking" / f"{chosen[0] if chosen else ''}.yaml"
    text, values = _group(file) if file.is_file() else ("${", {})
    if "${" in text or "defaults" in text or "tracking" in choices:
        config = check_config(compose_values(conf, [])).tracking
    else:
        config = check_tracking(values)
    given = {"folder": folder, "model_name": model_name}
    return config.model_copy(update={key: value for key, value in given.items() if value is not None})


def _group(file: Path) -> tuple[str, dict[str, Any]]:
    """The text of a file of conf/, and the values in it."""
    text, values = read_yaml(file)
    if not isinstance(values, dict):
        raise FramingError(str(file), "it holds no values", "write KEY: VALUE lines, like the other files of conf/")
    return text, values
