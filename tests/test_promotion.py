"""The gate to the champion, with small real taggers in a real store: who passes, who does not, and the way back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import SCHEMA, write_articles
from framing import promotion
from framing.cli.train import compose_values, conf_folder
from framing.config import RunConfig, TrackingConfig, check_config
from framing.errors import FramingError
from framing.experiment import run
from framing.serving import tag_texts
from framing.tracking import registry

ARTICLES = 26


class Silent:
    def say(self, text: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None: ...


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Articles enough for a test part of eight, and a frozen split."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "schema.yaml").write_text(SCHEMA, encoding="utf-8")
    write_articles(folder, ARTICLES)
    names = [f"article{n}" for n in range(ARTICLES)]
    for name, parts in (("split", (8, 12)), ("other", (7, 12))):
        split = {"test": names[: parts[0]], "dev": names[parts[0] : parts[1]], "train": names[parts[1] :]}
        (folder / f"{name}.json").write_text(json.dumps(split))
    (folder / "other.yaml").write_text(SCHEMA.replace("Wants to talk", "Wishes to talk"), encoding="utf-8")
    return folder


def configured(world: Path, runs: Path, *words: str) -> RunConfig:
    return check_config(
        compose_values(
            conf_folder(),
            [
                "data=seeds",
                "model=tfidf",
                "data.name=small",
                "data.datasheet=null",
                f"data.schema_file={world / 'schema.yaml'}",
                f"data.sources=[{world / 'texts'}]",
                f"data.annotations=[{world / 'anna.jsonl'},{world / 'bert.jsonl'}]",
                f"data.splits={world / 'split.json'}",
                f"tracking.folder={runs}",
                *words,
            ],
        )
    )


@pytest.fixture(scope="module")
def trained(world: Path, tmp_path_factory: pytest.TempPathFactory) -> TrackingConfig:
    """A store: 1 weak and champion, 2 better, 3 another schema, 4 another test part, 5 the same as 2."""
    import mlflow

    runs = tmp_path_factory.mktemp("gate")
    for name, words in (
        ("weak", ["data.train_articles=1", "model.regularisation=0.0001", "model.max_features=100"]),
        ("good", []),
        ("other-schema", [f"data.schema_file={world / 'other.yaml'}"]),
        ("other-test", [f"data.splits={world / 'other.json'}"]),
    ):
        config = configured(world, runs, f"name={name}", *words)
        result = run(config, Silent())
        assert result.is_champion == (name == "weak")
    client = mlflow.MlflowClient()
    good = client.get_model_version("framing", "2")
    client.create_model_version("framing", good.source, run_id=good.run_id, tags=good.tags, model_id=good.model_id)
    return config.tracking


def tag_here(config: TrackingConfig, version: registry.Version, texts: Sequence[str]) -> list[dict[str, Any]]:
    """The registered artifact, loaded in this process: quicker than a new one, which one test uses."""
    return tag_texts(f"models:/{config.model_name}/{version.number}", texts)


@pytest.fixture
def store(trained: TrackingConfig, tmp_path: Path) -> TrackingConfig:
    """The store as it was trained, whatever the test before did to aliases and tags."""
    kept = trained.folder / "kept.db"
    if not kept.exists():
        shutil.copy(trained.folder / "mlflow.db", kept)
    shutil.copy(kept, trained.folder / "mlflow.db")
    return trained


def passed(found: promotion.Examination) -> dict[str, bool]:
    return {gate.name: gate.passed for gate in found.gates}


def finding(found: promotion.Examination, name: str) -> str:
    return next(gate.finding for gate in found.gates if gate.name == name)


def test_a_better_challenger_passes_every_gate_and_rollback_undoes_it(store: TrackingConfig) -> None:
    found = promotion.examine(store, "2")
    assert found.passed, found.failed
    assert "one-sided p=.00" in finding(found, "better")
    assert promotion.note_use(store, found) == 1
    assert promotion.note_use(store, found) == 2, "each use of the test set is counted"
    promotion.promote(store, found, None)
    champion = registry.champion(store)
    assert champion is not None
    assert champion.number == 2
    assert champion.tags["promoted_over"] == "1"
    assert champion.tags["promoted_by"]
    assert champion.tags["promoted_at"]
    with pytest.raises(FramingError, match="it is the champion already"):
        promotion.examine(store, "2")

    equal = promotion.examine(store, "5", tag=tag_here)
    assert not equal.passed
    assert [gate.name for gate in equal.gates if not gate.passed] == ["better"], "what is equal is not better"
    assert "one-sided p=1.00" in finding(equal, "better")
    assert promotion.examine(store, "5", non_inferior=True, tag=tag_here).passed

    worse = promotion.examine(store, "weak", tag=tag_here)
    assert not passed(worse)["better"]
    with pytest.raises(FramingError, match="it failed 'better'"):
        promotion.promote(store, worse, None)
    promotion.promote(store, worse, "to see it fail")
    forced = registry.champion(store)
    assert forced is not None
    assert (forced.number, forced.tags["forced"], forced.tags["promoted_because"]) == (1, "yes", "to see it fail")
    assert "better" in forced.tags["gates_failed"]

    assert registry.rollback(store, "it failed") == (1, 2)
    assert registry.rollback(store, "") == (2, 1)
    with pytest.raises(FramingError, match="its first champion"):
        registry.rollback(store, "")


def test_another_schema_is_no_fair_race(store: TrackingConfig) -> None:
    found = promotion.examine(store, "other-schema", tag=tag_here)
    assert not passed(found)["same schema"]
    assert not found.passed


def test_another_test_set_is_no_fair_race_nor_one_that_was_learned_from(store: TrackingConfig) -> None:
    found = promotion.examine(store, "other-test", tag=tag_here)
    assert not passed(found)["same test set"]
    assert "35 paragraphs, the champion has 40; 35 are the same" in finding(found, "same test set")
    assert not passed(found)["test articles unseen"]
    assert "learned from 1 of 8: article7" in finding(found, "test articles unseen")


def test_a_champion_whose_run_was_deleted_can_only_be_replaced_by_force(store: TrackingConfig) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{store.folder / 'mlflow.db'}")
    champion = registry.find_version(store, "1")
    mlflow.MlflowClient().delete_run(champion.run_id)
    found = promotion.examine(store, "2", tag=tag_here)
    assert [gate.name for gate in found.gates if not gate.passed] == ["champion's test"]
    assert "there is no such run" in finding(found, "champion's test")
    assert promotion.note_use(store, found) == 0
    with pytest.raises(FramingError, match="not promoted"):
        promotion.promote(store, found, None)
    promotion.promote(store, found, "the run of the champion is gone")
    assert registry.find_version(store, "2").aliases == ("champion",)


@pytest.mark.parametrize("how", ["broken", "another"])
def test_an_artifact_that_was_damaged_does_not_pass(store: TrackingConfig, how: str) -> None:
    version = registry.find_version(store, "good")
    (file,) = (
        path
        for path in (store.folder / "artifacts").rglob("calibration.json")
        if json.loads((path.parent / "tagger.json").read_text())["name"] == version.run_name and "models" in path.parts
    )
    whole = file.read_text()
    try:
        values = json.loads(whole)
        file.write_text(whole[:20] if how == "broken" else json.dumps(_hotter(values)))
        found = promotion.examine(store, "good", tag=tag_here if how == "another" else None)
    finally:
        file.write_text(whole)
    assert not passed(found)["loads and tags"]
    assert finding(found, "loads and tags")
    if how == "another":
        assert "largest change of a probability" in finding(found, "loads and tags")


def _hotter(values: dict[str, object]) -> dict[str, object]:
    """The same calibration with every slope made 30 times smaller: it loads, and says something else."""
    slopes = values["slopes"]
    assert isinstance(slopes, dict)
    return {**values, "slopes": {label: value / 30 for label, value in slopes.items()}}


def test_every_version_has_a_card_and_every_run_a_note_and_its_lineage(store: TrackingConfig) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{store.folder / 'mlflow.db'}")
    version = mlflow.MlflowClient().get_model_version("framing", "2")
    assert version.description.startswith("# good")
    assert "## Limits" in version.description
    assert len(version.description) < 5000
    known = registry.find_version(store, "2")
    text = mlflow.artifacts.load_text(f"runs:/{known.run_id}/model_card.md")
    for part in ("## Intended use", "## Licence", "## Scores by label", "Krippendorff", "| stance | talks |"):
        assert part in text
    tags = known.run_tags
    assert tags["mlflow.note.content"].startswith("**tfidf** on **small** (articles: train 14, dev 4, test 8)")
    assert tags["code_clean"] in ("yes", "no", "unknown")
    assert len({tags[f"{part}_fingerprint"] for part in ("train", "dev", "test", "data", "schema")}) == 5
    assert tags["backbone_fingerprint"] == "none"
    assert int(tags["cores"]) > 0
    assert known.metrics["cpu_seconds"] > 0
    assert known.metrics["test/headline_low"] <= known.metrics["test/headline"] <= known.metrics["test/headline_high"]
    assert "numpy==" in mlflow.artifacts.load_text(f"runs:/{known.run_id}/packages.txt")


def test_the_commands_say_it_in_words_and_exit_codes(store: TrackingConfig, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from framing.cli.main import app

    def framing(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [*words, "--folder", str(store.folder)])
        return 2 if isinstance(done.exception, FramingError) else done.exit_code, done.output

    code, text = framing("models")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()] == ["version", "5", "4", "3", "2", "1"]
    assert "the first registered version" in text
    code, text = framing("models", "card", "2")
    assert (code, text.splitlines()[0]) == (0, "# good")
    code, text = framing("compare", "good", "weak", "--output", str(tmp_path / "page.html"), "--log")
    assert code == 0
    assert "good better than weak in" in text
    assert list((store.folder / "artifacts").rglob("compare/good-vs-weak.html"))
    code, text = framing("promote", "3")
    assert code == 2
    assert "FAILED" in text
    assert "the champion has" in text
    registry.promote(store, 2, {})
    code, text = framing("models", "rollback")
    assert (code, text.strip()) == (0, "framing version 1 is the champion again, in place of 2")
    assert framing("promote", "99")[0] == 2
    done = CliRunner().invoke(
        app, ["promote", "2", "--json", "--force", "to read it", "--folder", str(store.folder)], catch_exceptions=False
    )
    assert json.loads(done.stdout)["version"] == 2, "nothing but JSON on standard output"
    assert "framing version 2 is the champion now" in done.stderr
    assert framing("compare", "good")[0] == 2
