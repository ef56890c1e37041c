"""Every file of conf/ composes into a configuration that the program accepts; wrong ones fail with a cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from framing.cli.compose import combinations, compose_values
from framing.config import RunConfig, SweepConfig, check_config, check_sweep
from framing.errors import FramingError

CONF = Path(__file__).resolve().parent.parent / "conf"
CHOICES = sorted(f"{file.parent.name}={file.stem}" for file in CONF.glob("*/*.yaml"))


@pytest.mark.parametrize("choice", CHOICES)
def test_every_file_of_conf_composes_and_is_accepted(choice: str) -> None:
    values = compose_values(CONF, [choice], "sweep" if choice.startswith("sweep=") else "train")
    if "sweep" in values:
        assert isinstance(check_sweep(values.pop("sweep")), SweepConfig)
    assert isinstance(check_config(values), RunConfig)


@pytest.mark.parametrize("experiment", sorted(file.stem for file in (CONF / "experiment").glob("*.yaml")))
@pytest.mark.parametrize("model", sorted(file.stem for file in (CONF / "model").glob("*.yaml")))
def test_every_experiment_goes_with_every_model(experiment: str, model: str) -> None:
    assert isinstance(check_config(compose_values(CONF, [f"experiment={experiment}", f"model={model}"])), RunConfig)


def test_articles_are_left_out_in_one_way_only_and_values_are_words() -> None:
    both = compose_values(CONF, ["folds=5", "leave_out.key=language"])
    with pytest.raises(FramingError, match="not both"):
        check_config(both)
    config = check_config(compose_values(CONF, ["leave_out.key=round", "leave_out.values=[6,6,5]"]))
    assert config.leave_out.values == ("6", "5")


def test_experiment_files_open_with_the_command_that_runs_them() -> None:
    for file in (CONF / "experiment").glob("*.yaml"):
        assert f"framing train experiment={file.stem}" in file.read_text().splitlines()[1]


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("training.epochz=3", "epochz"),
        ("model=bert", "bert"),
        ("training.epochs=many", "training.epochs"),
        ("training.epochs=0", "training.epochs"),
        ("model.dropout=1.5", "model.dropout"),
        ("training.precision=fp8", "training.precision"),
        ("+training.extra=1", "training.extra"),
        ("leave_out.values=[de]", "give leave_out.key"),
        ("leave_out.values=[]", "leave_out.values"),
        ("training.join_neighbours=2", "training.join_neighbours"),
        ("data.sources=5", "data.sources"),
        ("=", "Could not override"),
    ],
)
def test_a_wrong_override_is_named_with_a_cure(override: str, word: str) -> None:
    with pytest.raises(FramingError) as caught:
        check_config(compose_values(CONF, [override]))
    assert word in str(caught.value)
    assert caught.value.cure


def test_several_wrong_values_are_reported_at_once() -> None:
    with pytest.raises(FramingError) as caught:
        check_config(compose_values(CONF, ["training.epochs=0", "training.learning_rate=7", "model.dropout=2"]))
    assert len(str(caught.value).splitlines()) == 3


def test_a_multirun_expands_to_all_combinations() -> None:
    assert combinations(["training.seed=1,2", "model=tfidf,bundled", "folds=3"]) == [
        ["training.seed=1", "model=tfidf", "folds=3"],
        ["training.seed=1", "model=bundled", "folds=3"],
        ["training.seed=2", "model=tfidf", "folds=3"],
        ["training.seed=2", "model=bundled", "folds=3"],
    ]


@pytest.mark.parametrize("word", ["12345678", "12e45678", "2024", "1_000", "true"])
def test_a_name_that_looks_like_a_number_is_a_name(word: str) -> None:
    config = check_config(compose_values(CONF, [f"name={word}", f"resume={word}"]))
    assert (config.name, config.resume) == (word, word)
    assert check_config(compose_values(CONF, ["resume=null"])).resume is None
