"""Sweeps of tiny real trainings: what is scored, pruned, failed, killed and gone on with."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from framing.cli.compose import compose_values
from framing.config import RunConfig, SweepConfig, check_config, check_sweep
from framing.errors import FramingError
from framing.sweep import search
from framing.sweep.objective import check_space, free_epochs, prepare, with_values
from framing.sweep.search import Outcome, Plain, run_sweep

Overrides = Callable[[Path], list[str]]
PLAIN = Plain({"data": "seeds", "model": "hub", "training": "default"}, {"data": {}, "model": {}, "training": {}}, "x")


class Silent:
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, done: int, total: int, text: str) -> None: ...

    def epoch(self, number: int, score: float) -> None: ...


def composed(overrides: Overrides, folder: Path, *words: str) -> tuple[RunConfig, SweepConfig]:
    values = compose_values(ROOT / "conf", [*command_words(overrides, folder), *words], "sweep")
    searched = check_sweep(values.pop("sweep"))
    return check_config(values), searched


def command_words(overrides: Overrides, folder: Path) -> list[str]:
    words = ["sweep=heads", "sweep.name=tiny", "sweep.trials=4", "sweep.startup=2", *overrides(folder)]
    return [*words, "data.train_articles=null", "~sweep.space.training.average", "model.freeze_layers=2"]


def runs_of(folder: Path) -> list[Any]:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    found: list[Any] = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return found


def test_trials_are_nested_runs_and_the_best_is_a_ready_experiment(overrides: Overrides, tmp_path: Path) -> None:
    words = command_words(overrides, tmp_path)
    done = framing("sweep", *words)
    assert done.returncode == 0, done.stderr
    found = runs_of(tmp_path)
    (parent,) = [run for run in found if run.data.tags["kind"] == "sweep"]
    trials = [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(trials) == 4
    assert {run.info.status for run in found} == {"FINISHED"}
    assert not [key for run in found for key in run.data.metrics if key.startswith("test")], "test is never looked at"
    scored = [run.data.metrics["headline"] for run in trials if run.data.tags["trial_state"] == "complete"]
    assert parent.data.metrics["headline"] == pytest.approx(max(scored), abs=1e-6)
    assert "| trial | score |" in parent.data.tags["mlflow.note.content"]
    import mlflow

    files = {item.path for item in mlflow.MlflowClient().list_artifacts(parent.info.run_id)}
    assert files == {"best.yaml", "sweep.png", "trials.tsv"}

    best = tmp_path / "sweeps" / "tiny" / "best.yaml"
    config = check_config(compose_values(ROOT / "conf", [f"experiment={best}"])).model_dump(mode="json")
    winners = [run.data.params for run in trials if run.data.metrics.get("headline") == max(scored)]
    ready = {f"{part}.{key}": str(value) for part in ("model", "training") for key, value in config[part].items()}
    assert ready in [{key: found[key] for key in ready} for found in winners]

    again = run_sweep(*composed(overrides, tmp_path), PLAIN, Silent())
    assert again.is_over
    assert len(runs_of(tmp_path)) == len(found), "a sweep that is over computes nothing more"


def framing(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "framing.cli.main", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)


def test_a_killed_sweep_goes_on_with_nothing_lost_and_nothing_repeated(overrides: Overrides, tmp_path: Path) -> None:
    words = [*command_words(overrides, tmp_path), "training.epochs=40", "sweep.pruner=none"]
    command = [sys.executable, "-m", "framing.cli.main", "sweep", *words]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not second_is_learning(tmp_path):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {number: values for number, state, values in trials_of(tmp_path) if state == "COMPLETE"}
    assert 1 <= len(before) < 4

    done = framing("sweep", *words)
    assert done.returncode == 0, done.stderr
    after = trials_of(tmp_path)
    assert [(number, state) for number, state, _ in after] == [(n, "COMPLETE") for n in range(4)]
    assert {n: v for n, _, v in after if n in before} == before
    found = runs_of(tmp_path)
    assert len(found) == 5, "the killed trial went on in its run, the parent in its own"
    assert {run.info.status for run in found} == {"FINISHED"}
    import mlflow

    for run in found:
        if run.data.tags["kind"] == "trial":
            history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "train/epoch")
            assert sorted(point.value for point in history)[-1] == 40
            assert len(history) in (39, 40), "no epoch was learned twice"


def trials_of(folder: Path) -> list[tuple[int, str, float | None]]:
    with sqlite3.connect(folder / "sweeps.db") as store:
        query = "select number, state, value from trials t left join trial_values v on t.trial_id = v.trial_id"
        return list(store.execute(f"{query} order by number"))


def second_is_learning(folder: Path) -> bool:
    if not (folder / "sweeps.db").is_file():
        return False
    try:
        states = [state for _, state, _ in trials_of(folder)]
    except sqlite3.OperationalError:
        return False
    return states == ["COMPLETE", "RUNNING"] and bool(list(folder.glob("checkpoints/*/state.safetensors")))


def tfidf(overrides: Overrides, folder: Path, *words: str) -> tuple[RunConfig, SweepConfig]:
    own = [word for word in overrides(folder) if not word.startswith("model")]
    own += ["sweep=quick", "sweep.trials=4", "sweep.folds=0", "data.train_articles=null", "tracking=none", *words]
    values = compose_values(ROOT / "conf", [*own, f"tracking.folder={folder}"], "sweep")
    searched = check_sweep(values.pop("sweep"))
    return check_config(values), searched


def sweep(pair: tuple[RunConfig, SweepConfig], reporter: Silent | None = None) -> Outcome:
    return run_sweep(*pair, PLAIN, reporter or Silent())


def test_processes_given_the_same_command_share_the_trials(overrides: Overrides, tmp_path: Path) -> None:
    words = [word for word in overrides(tmp_path) if not word.startswith("model")]
    words += ["sweep=quick", "sweep.trials=12", "sweep.pruner=none", "data.train_articles=null", "tracking=none"]
    words.append(f"tracking.folder={tmp_path}")
    command = [sys.executable, "-m", "framing.cli.main", "sweep", *words]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    ended = [process.communicate(timeout=250) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert [(number, state) for number, state, _ in trials_of(tmp_path)] == [(n, "COMPLETE") for n in range(12)]
    shares = [[line for line in err.splitlines() if line.startswith("trial ")] for _, err in ended]
    labels = [line.partition(":")[0] for line in shares[0] + shares[1]]
    assert sorted(labels) == sorted(f"trial {n} of 12" for n in range(1, 13)), "each trial in one process"
    assert (tmp_path / "sweeps" / "quick" / "best.yaml").is_file()


def test_a_failing_trial_is_shown_and_the_others_go_on(
    overrides: Overrides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = search.score_on_dev, []

    def second_fails(*arguments: Any) -> float:
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError("no room")
        return real(*arguments)

    monkeypatch.setattr(search, "score_on_dev", second_fails)
    reporter = Silent()
    outcome = sweep(tfidf(overrides, tmp_path), reporter)
    assert sorted(row.state for row in outcome.rows) == ["complete", "complete", "complete", "failed"]
    assert any("trial 2 of 4: failed: MemoryError: no room" in text for text in reporter.said)
    assert "MemoryError" in (outcome.folder / "trial2.error.txt").read_text()


def test_a_sweep_of_failures_alone_is_an_error(
    overrides: Overrides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: Any) -> float:
        raise ValueError("always")

    monkeypatch.setattr(search, "score_on_dev", fails)
    with pytest.raises(FramingError, match="none of 4 trials was scored"):
        sweep(tfidf(overrides, tmp_path))


def test_more_trials_go_on_with_the_same_sweep_but_other_values_do_not(overrides: Overrides, tmp_path: Path) -> None:
    first = sweep(tfidf(overrides, tmp_path))
    more = sweep(tfidf(overrides, tmp_path, "sweep.trials=6"))
    assert [row.values for row in more.rows[:4]] == [row.values for row in first.rows]
    assert len(more.rows) == 6
    with pytest.raises(FramingError, match=r"other values of model\.max_features"):
        sweep(tfidf(overrides, tmp_path, "model.max_features=500"))


def test_the_same_seed_draws_the_same_trials(overrides: Overrides, tmp_path: Path) -> None:
    one, two = (sweep(tfidf(overrides, tmp_path / name)) for name in ("one", "two"))
    assert [(row.values, row.score) for row in one.rows] == [(row.values, row.score) for row in two.rows]


def test_values_that_were_scored_are_not_learned_again(overrides: Overrides, tmp_path: Path) -> None:
    words = ["~sweep.space.model.regularisation", "~sweep.space.model.character_ngrams", "sweep.trials=4"]
    outcome = sweep(tfidf(overrides, tmp_path, *words))
    assert sum("same values" in row.remark for row in outcome.rows) >= 2
    assert len({(tuple(row.values.items()), row.score) for row in outcome.rows}) <= 2


def test_folds_hold_out_training_and_dev_articles_alone(overrides: Overrides, tmp_path: Path) -> None:
    config, searched = tfidf(overrides, tmp_path, "sweep.folds=3")
    material = prepare(config, searched)
    held = [document for split in material.splits for document in split.test]
    from framing.experiment import choose_split

    split = choose_split(config, material.dataset)
    assert sorted(held) == sorted([*split.train, *split.dev])
    outcome = sweep((config, searched))
    assert outcome.best is not None
    assert all(row.steps in (1, 2) for row in outcome.rows), "the mean so far after each fold but the last"


@pytest.mark.parametrize(
    ("word", "finding"),
    [
        ("+sweep.space.training.rate={kind: float, low: 0, high: 1}", "training.rate: there is no such value"),
        ("+sweep.space.training.epochs={kind: int, low: 0, high: 3}", "training.epochs: 0 is wrong"),
        ("+sweep.space.model.kind={kind: categorical, choices: [tfidf, bundled]}", "model"),
        ("sweep.space.model.regularisation.low=0", "log range begins above 0"),
        ("sweep.space.model.regularisation.high=0.01", "low must be less than high"),
        ("sweep.trials=none", "sweep.trials"),
        ("sweep.pruner=best", "sweep.pruner"),
        ("sweep.name=a/b", "sweep.name"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_before_any_trial(
    overrides: Overrides, tmp_path: Path, word: str, finding: str
) -> None:
    with pytest.raises(FramingError) as caught:
        check_space(*tfidf(overrides, tmp_path, word))
    assert finding in str(caught.value)


def test_epochs_that_are_searched_are_not_cut_by_the_limit_of_readings(overrides: Overrides, tmp_path: Path) -> None:
    epochs = "+sweep.space.training.epochs={kind: int, low: 1, high: 2}"
    words = [epochs, "training.most_readings=1", "training.epochs=1"]
    config, searched = composed(overrides, tmp_path, *words)
    assert free_epochs(config, searched).training.most_readings is None
    assert free_epochs(*composed(overrides, tmp_path, *words[1:])).training.most_readings == 1
    limit = "+sweep.space.training.most_readings={kind: int, low: 50, high: 60}"
    assert free_epochs(*composed(overrides, tmp_path, *words, limit)).training.most_readings == 1, "searched itself"
    outcome = sweep((config, searched))
    text = (outcome.folder / "best.yaml").read_text()
    assert "most_readings: null" in text, "or the best would be trained otherwise than it was scored"


def test_values_go_to_their_keys(overrides: Overrides, tmp_path: Path) -> None:
    config, _ = tfidf(overrides, tmp_path)
    changed = with_values(config, {"model.regularisation": 2.5, "training.seed": 9})
    assert changed.model_dump()["model"]["regularisation"] == 2.5
    assert changed.training.seed == 9
    assert with_values(changed, {"model.regularisation": 4.0, "training.seed": 1}) == config
