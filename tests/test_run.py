"""The main job as its user runs it: train, look up, tag, score, break, go on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT

Overrides = Callable[[Path], list[str]]


def framing(*words: str | Path, cwd: Path = ROOT, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "framing.cli.main", *map(str, words)]
    done = subprocess.run(command, capture_output=True, cwd=cwd, input=stdin, timeout=280, check=False)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, overrides: Overrides) -> Path:
    """A store with one trained, registered run."""
    folder = tmp_path_factory.mktemp("runs")
    done = framing("train", *overrides(folder), "name=first", "training.epochs=30", "training.average=0")
    assert done.returncode == 0, done.stderr
    assert "the champion now" in done.stdout
    assert "framing predict" in done.stdout
    return folder


def client(runs: Path) -> object:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{runs / 'mlflow.db'}")
    return mlflow


def test_a_run_is_recorded_with_config_scores_figures_data_and_model(runs: Path) -> None:
    mlflow = client(runs)
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list", filter_string="run_name='first'")  # type: ignore[attr-defined]
    assert run.info.status == "FINISHED"
    assert run.data.params["training.epochs"] == "30"
    for metric in ("test/stance/macro_f1", "test/stance/macro_f1_low", "test/stance/talks/f1", "train/loss"):
        assert metric in run.data.metrics
    assert {dataset.tags[0].value for dataset in run.inputs.dataset_inputs} == {"train", "dev", "test"}
    assert run.data.tags["schema_fingerprint"]
    artifacts = mlflow.artifacts.list_artifacts(run_id=run.info.run_id)  # type: ignore[attr-defined]
    assert {"config.yaml", "schema.yaml", "split.json", "figures", "test", "dev"} <= {item.path for item in artifacts}
    experiment = mlflow.get_experiment(run.info.experiment_id)  # type: ignore[attr-defined]
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    size = sum(file.stat().st_size for file in (runs / "artifacts").rglob("*") if file.is_file())
    assert size < 60_000_000


def test_the_champion_tags_texts_as_json_lines(runs: Path, project: Path) -> None:
    done = framing("predict", project / "texts", "--folder", runs)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == 30
    keys = "id document position text language title date labels probabilities model"
    assert list(records[0]) == keys.split()
    assert records[0]["model"] == "models:/framing/1"
    assert isinstance(records[0]["labels"]["kind"], str)
    assert isinstance(records[0]["labels"]["stance"], list)
    assert set(records[0]["probabilities"]["stance"]) == {"talks", "attack"}


def test_predictions_of_gold_texts_are_scored(runs: Path, project: Path, tmp_path: Path) -> None:
    gold, tags = tmp_path / "gold.jsonl", tmp_path / "tags.jsonl"
    place = [
        "--schema",
        project / "schema.yaml",
        "--source",
        project / "texts",
        "--annotations",
        project / "anna.jsonl",
    ]
    assert framing("data", "export", "--output", gold, *place).returncode == 0
    done = framing("predict", gold, "--unit", "paragraph", "--folder", runs, "--output", tags)
    assert done.returncode == 0, done.stderr
    done = framing("evaluate", "--gold", gold, "--predictions", tags, "--json")
    assert done.returncode == 0, done.stderr
    rows = {(row["facet"], row["label"], row["language"], row["metric"]): row for row in json.loads(done.stdout)}
    assert rows["stance", "", "", "micro_f1"]["value"] > 0.3
    assert rows["stance", "", "", "micro_f1"]["support"] == 18


def test_standard_input_and_a_folder_as_model(runs: Path) -> None:
    tagger = next((runs / "checkpoints").glob("*/tagger"))
    done = framing("predict", "-", "--model", tagger, stdin=b"The North wants talks.\nThe South fired missiles.")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["stdin:1", "stdin:2"]


def test_a_quick_reading_says_so_in_the_name_of_its_model(runs: Path) -> None:
    text = b"The North wants talks in Alba. The South fired missiles near Brod. Share this page with all your friends."
    close, quick = (
        json.loads(framing("predict", "-", "--folder", runs, *words, stdin=text).stdout) for words in ((), ("--quick",))
    )
    assert quick["model"] == f"{close['model']} quick"
    assert quick["probabilities"] != close["probabilities"]
    refused = framing("predict", "-", "--folder", runs, "--quick", "--abstain", "0.2", stdin=text)
    assert refused.returncode == 2
    assert "--quick with --abstain" in refused.stderr


def test_an_export_is_taken_by_itself_and_named_in_its_predictions(
    runs: Path, project: Path, overrides: Overrides, tmp_path: Path
) -> None:
    done = framing("export", *overrides(runs), "--folder", runs, "--precision", "float", "--output", tmp_path / "own")
    assert done.returncode == 0, done.stderr
    assert "decisions that differ" in done.stdout
    own = framing("predict", project / "texts", "--model", tmp_path / "own")
    assert own.returncode == 0, own.stderr
    done = framing("export", *overrides(runs), "--folder", runs, "--precision", "float")
    assert done.returncode == 0, done.stderr
    fast = framing("predict", project / "texts", "--folder", runs)
    slow = framing("predict", project / "texts", "--folder", runs, "--as-trained")
    kept, trained, moved = ([json.loads(line) for line in run.stdout.splitlines()] for run in (fast, slow, own))
    assert {record["model"] for record in kept} == {"models:/framing/1 float"}
    assert {record["model"] for record in trained} == {"models:/framing/1"}
    assert [record["labels"] for record in kept] == [record["labels"] for record in moved]
    changed = [one["id"] for one, two in zip(kept, trained, strict=True) if one["labels"] != two["labels"]]
    assert len(changed) <= 1
    shutil.rmtree(Path(os.environ["FRAMING_CACHE"]) / "exports")


def test_a_local_champion_is_found_without_mlflow_and_by_it_alike(runs: Path) -> None:
    from framing.cli.train import tracking_config
    from framing.tracking import registry

    config = tracking_config(runs)
    for reference in ("models:/framing@champion", "models:/framing/1"):
        light = registry._local_model(registry.store_file(config), reference)
        assert light is not None
        assert light[1] == "models:/framing/1"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(registry, "_local_model", lambda file, reference: None)
            folder, name = registry.resolve(config, reference)
        assert (folder.resolve(), name) == (light[0].resolve(), light[1])
    for unknown in ("models:/framing@nobody", "models:/framing/99", "models:/other/1", "models:/framing"):
        assert registry._local_model(registry.store_file(config), unknown) is None


def test_the_tracking_of_a_configuration_is_the_one_that_hydra_composes(tmp_path: Path) -> None:
    from framing.cli.train import compose_values, conf_folder, tracking_config
    from framing.config import check_config

    composed = check_config(compose_values(conf_folder(), [])).tracking
    assert tracking_config(tmp_path) == composed.model_copy(update={"folder": tmp_path})


def test_the_registered_model_loads_as_a_pyfunc(runs: Path) -> None:
    import pandas

    mlflow = client(runs)
    model = mlflow.pyfunc.load_model("models:/framing@champion")  # type: ignore[attr-defined]
    assert model.metadata.signature is not None
    assert model.input_example is not None
    found = model.predict(pandas.DataFrame({"text": ["The North wants talks.", "Share this page"]}))
    assert list(found.columns) == ["labels", "probabilities"]
    assert set(found["labels"][0]) == {"kind", "stance", "holder"}


def test_a_later_run_is_the_challenger_and_champion_only_by_force_if_it_is_worse(
    runs: Path, overrides: Overrides
) -> None:
    done = framing("train", *overrides(runs), "name=worse", "model.head_start=random", "training.learning_rate=1e-9")
    assert done.returncode == 0, done.stderr
    assert "version 2: the challenger, not the champion" in done.stdout
    done = framing("promote", "2", "--folder", runs)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert framing("promote", "worse", "--folder", runs, "--force", "to try it").returncode == 0
    mlflow = client(runs)
    assert mlflow.MlflowClient().get_model_version_by_alias("framing", "champion").version in (2, "2")  # type: ignore[attr-defined]


def test_a_tagger_starts_from_the_schema_alone(overrides: Overrides, tmp_path: Path) -> None:
    done = framing("train", *overrides(tmp_path), "data.zero_shot=true", "name=zero")
    assert done.returncode == 0, done.stderr
    mlflow = client(tmp_path)
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")  # type: ignore[attr-defined]
    assert "train/loss" not in run.data.metrics
    assert run.data.metrics["test/stance/average_precision"] > 0


def test_cross_validation_tests_every_article_once_in_nested_runs(overrides: Overrides, tmp_path: Path) -> None:
    words = [word for word in overrides(tmp_path) if not word.startswith("model")]
    done = framing("train", *words, "folds=3", "model=tfidf", "name=cv")
    assert done.returncode == 0, done.stderr
    mlflow = client(tmp_path)
    found = mlflow.search_runs(search_all_experiments=True, output_format="list")  # type: ignore[attr-defined]
    (parent,) = [run for run in found if run.info.run_name == "cv"]
    children = [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == 3
    assert {run.info.status for run in found} == {"FINISHED"}
    assert parent.data.metrics["test/stance/macro_f1"] >= 0
    assert not mlflow.search_registered_models(), "a fold's tagger is not for use"  # type: ignore[attr-defined]


def test_a_wrong_coding_is_the_most_doubtful_one(project: Path, overrides: Overrides, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (project / "anna.jsonl").read_text().splitlines()]
    wrong = next(row for row in rows if row["labels"]["stance"] == ["attack"])
    wrong["labels"]["stance"] = ["talks"]
    (tmp_path / "wrong.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [word for word in overrides(tmp_path) if not word.startswith(("model", "data.annotations"))]
    words += [f"data.annotations=[{tmp_path / 'wrong.jsonl'}]", "model=tfidf", "folds=3", "name=cv"]
    assert framing("train", *words).returncode == 0

    out = tmp_path / "doubts.jsonl"
    done = framing("data", "doubts", "cv", "--folder", tmp_path, "--facet", "stance", "--output", out)
    assert done.returncode == 0, done.stderr
    first = json.loads(out.read_text().splitlines()[0])
    assert first["id"] == wrong["id"]
    assert (first["coded"], first["tagged"]) == (["talks"], ["attack"])
    assert 0 <= first["trust"] < 0.5
    done = framing("data", "doubts", "cv", "--folder", tmp_path, "--facet", "stanze")
    assert done.returncode == 2
    assert "did you mean 'stance'" in done.stderr


def test_articles_of_one_setting_after_the_other_can_be_left_out(
    project: Path, overrides: Overrides, tmp_path: Path
) -> None:
    with (tmp_path / "articles.jsonl").open("w") as file:
        for number, text in enumerate(sorted((project / "texts").glob("*.txt"))):
            record = {"id": text.stem, "text": text.read_text(), "setting": ["river", "hills"][number % 2]}
            file.write(json.dumps(record) + "\n")
    words = [word for word in overrides(tmp_path) if not word.startswith(("model", "data.sources"))]
    words += [f"data.sources=[{tmp_path / 'articles.jsonl'}]", "model=tfidf"]
    done = framing("train", *words, "leave_out.key=setting", "name=without")
    assert done.returncode == 0, done.stderr
    mlflow = client(tmp_path)
    found = mlflow.search_runs(search_all_experiments=True, output_format="list")  # type: ignore[attr-defined]
    assert {run.info.run_name for run in found} == {"without", "without-river", "without-hills"}
    done = framing("train", *words, "leave_out.key=planet")
    assert done.returncode == 2
    assert "planet" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_run_goes_on_in_the_same_run_and_ends_as_if_it_had_not(
    runs: Path, overrides: Overrides, tmp_path: Path
) -> None:
    words = [*overrides(tmp_path), "name=killed", "training.epochs=40"]
    command = [sys.executable, "-m", "framing.cli.main", "train", *words]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("checkpoints/*/state.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(tmp_path.glob("checkpoints/*/state.safetensors")), "it was killed after an epoch and before the end"

    done = framing("train", "resume=killed", f"tracking.folder={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "going on after epoch" in done.stderr
    other = tmp_path / "uninterrupted"
    assert framing("train", *overrides(other), "name=whole", "training.epochs=40").returncode == 0

    def scores(folder: Path) -> dict[str, float]:
        mlflow = client(folder)
        (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")  # type: ignore[attr-defined]
        assert run.info.status == "FINISHED"
        return {
            k: v
            for k, v in run.data.metrics.items()
            if not k.startswith(("system", "seconds", "cpu_seconds", "energy"))
        }

    assert scores(tmp_path) == scores(other)


@pytest.mark.parametrize(
    ("words", "finding"),
    [
        (["predict", "nowhere.txt"], "nowhere.txt: no such file"),
        (["predict", "seeds", "--model", "nowhere"], "--model nowhere: no such folder"),
        (["predict", "seeds", "--folder", "{tmp}"], "run `make train` first"),
        (
            ["train", "model=hub", "model.name=nobody/none", "tracking=none", "tracking.folder={tmp}"],
            "cannot get 'nobody/none'",
        ),
        (["train", "training.epochz=1"], "epochz"),
        (["train", "training.epochs=many"], "training.epochs"),
        (["train", "data.schema_file=none.yaml"], "no such schema file"),
        (["train", "resume=nothing", "tracking.folder={tmp}"], "there is no such run"),
        (["schema", "check", "pyproject.toml"], "pyproject.toml"),
        (["promote", "99", "--folder", "{tmp}"], "no run is recorded"),
        (["predict", "seeds", "--model", "seeds"], "holds no tagger"),
        (["export", "--model", "seeds", "--output", "{tmp}/x"], "holds no tagger"),
        (["train", "resume=x", "training.epochs=3"], "a run goes on with the configuration it began with"),
        (["train", "-m", "training.seed=1,"], "config"),
        (["schema", "handbook", "--output", "{tmp}"], "{tmp}"),
        (["evaluate", "--gold", "none.jsonl", "--predictions", "none.jsonl"], "none.jsonl: no such file"),
    ],
)
def test_bad_input_is_one_clear_message_and_exit_code_2(words: list[str], finding: str, tmp_path: Path) -> None:
    done = framing(*[word.format(tmp=tmp_path) for word in words])
    assert done.returncode == 2, done.stderr
    assert finding.format(tmp=tmp_path) in done.stderr
    assert "Traceback" not in done.stderr
    messages = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(messages) == 1
    assert not [file for file in tmp_path.rglob("*.part")]


def test_broken_annotations_stop_a_run_before_it_computes(overrides: Overrides, project: Path, tmp_path: Path) -> None:
    lines = (project / "anna.jsonl").read_text().splitlines()
    lines[3] = lines[3].replace('"attack"', '"atack"')
    lines[7] = lines[7][:-5]
    (tmp_path / "broken.jsonl").write_text("\n".join(lines))
    words = [*overrides(tmp_path / "runs"), f"data.annotations=[{tmp_path / 'broken.jsonl'}]"]
    done = framing("train", *words)
    assert done.returncode == 2
    assert "broken.jsonl:8: not JSON" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_reader_that_leaves_early_is_no_error(runs: Path, project: Path) -> None:
    tagger = next((runs / "checkpoints").glob("*/tagger"))
    command = (
        f"set -o pipefail; {sys.executable} -m framing.cli.main predict {project / 'texts'} --model {tagger} | head -1"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=ROOT, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr


def test_the_ui_opens_the_store_of_a_project_in_a_path_with_spaces(tmp_path: Path) -> None:
    folder = tmp_path / "my work"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv" / ".installed").touch()
    (folder / ".venv" / "bin" / "mlflow").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    (folder / ".venv" / "bin" / "mlflow").chmod(0o755)
    done = subprocess.run(["make", "ui"], cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    words = done.stdout.splitlines()
    assert words[words.index("--backend-store-uri") + 1] == f"sqlite:///{folder}/runs/mlflow.db"
    assert words[words.index("--default-artifact-root") + 1] == f"file://{folder}/runs/artifacts"
