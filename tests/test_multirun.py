"""Several runs under one parent, with their summary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from conftest import ROOT
from framing.cli.compose import compose_values
from framing.config import RunConfig, check_config
from framing.errors import FramingError
from framing.multirun import run_all

Overrides = Callable[[Path], list[str]]


class Silent:
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, done: int, total: int, text: str) -> None: ...

    def epoch(self, number: int, score: float) -> None: ...


def configured(overrides: Overrides, folder: Path, *words: str) -> RunConfig:
    own = [word for word in overrides(folder) if not word.startswith("model")]
    values = compose_values(ROOT / "conf", [*own, "model=tfidf", "tracking.register_model=false", *words])
    return check_config(values)


def test_runs_that_differ_in_the_seed_are_summed_up_in_their_parent(overrides: Overrides, tmp_path: Path) -> None:
    words = {
        f"model.regularisation={c} training.seed={seed}": [f"model.regularisation={c}", f"training.seed={seed}"]
        for c in ("0.5", "8.0")
        for seed in (1, 2)
    }
    configs = {label: configured(overrides, tmp_path, *chosen) for label, chosen in words.items()}
    broken = "data.zero_shot=true"
    configs[broken] = configured(overrides, tmp_path, broken)
    reporter = Silent()
    results = run_all(configs, reporter)
    assert isinstance(results[broken], FramingError)
    assert any(text.startswith("failed: config model") for text in reporter.said)

    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    found: list[Any] = mlflow.search_runs(search_all_experiments=True, output_format="list")
    (parent,) = [run for run in found if run.data.tags.get("kind") == "multirun"]
    children = [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sorted(run.info.run_name for run in children)[:2] == [
        "tfidf-small-s1-regularisation-0.5",
        "tfidf-small-s1-regularisation-8.0",
    ]
    assert sorted(run.info.status for run in children) == ["FAILED", *["FINISHED"] * 4]
    of_one = [
        run.data.metrics["test/stance/macro_f1"]
        for run in children
        if run.data.params.get("model.regularisation") == "8.0" and run.info.status == "FINISHED"
    ]
    mean = parent.data.metrics["runs/regularisation-8.0/stance/macro_f1"]
    assert mean == pytest.approx(sum(of_one) / 2)
    assert "runs/regularisation-8.0/stance/macro_f1_sd" in parent.data.metrics
    assert "| model.regularisation=8.0 | 2 |" in parent.data.tags["mlflow.note.content"]
