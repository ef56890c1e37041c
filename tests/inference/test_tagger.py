"""A tagger says the same after saving and loading, and streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from framing.config import HubConfig, TfidfConfig
from framing.dataset import Dataset, LabelMatrix
from framing.errors import FramingError
from framing.inference.prediction import prediction_to_json, whole_file
from framing.inference.tagger import Tagger, calibrated, save_tagger, uncalibrated
from framing.model.abstention import Track
from framing.model.baseline import Baseline
from framing.model.calibration import Calibration, fit_calibration
from framing.model.classifier import Classifier
from framing.model.weights import round_weights
from framing.records import Paragraph
from framing.schema import Schema

TEXTS = [
    "The North wants talks in Alba.",
    "The South fired missiles near Brod.",
    "Share this page",
    "The North wants talks.",
]
PARAGRAPHS = [Paragraph(f"d:{n}", "d", n, 0, len(t), t, "en") for n, t in enumerate(TEXTS, 1)]


def baseline(schema: Schema) -> tuple[Tagger, TfidfConfig]:
    config = TfidfConfig(
        kind="tfidf", word_ngrams=2, character_ngrams=4, max_features=1000, regularisation=1.0, sentence_weight=0.0
    )
    values = np.array([[1, 0, 1, 0, 1, 0], [1, 0, 0, 1, 0, 1], [0, 1, 0, 0, 0, 0], [1, 0, 1, 0, 1, 0]], np.float32)
    engine = Baseline(schema, config)
    engine.fit(Dataset(tuple(PARAGRAPHS), LabelMatrix(values, np.ones_like(values, np.bool_))))
    return Tagger(schema, engine, Calibration.plain(schema), "baseline"), config


def encoder_tagger(schema: Schema, encoder: Path) -> tuple[Tagger, HubConfig]:
    values = {"kind": "hub", "name": str(encoder), "revision": None, "prefix": "", "max_tokens": 32}
    config = HubConfig.model_validate(
        {**values, "freeze_layers": 1, "dropout": 0.1, "head_start": "schema", "sentence_weight": 0.3}
    )
    classifier = Classifier(schema, config)
    classifier.start_from_schema()
    classifier.use_fastest_precision()
    round_weights(classifier)
    return uncalibrated(schema, classifier, name="small", sentence_weight=config.sentence_weight), config


@pytest.mark.parametrize("kind", ["baseline", "encoder"])
def test_a_saved_tagger_says_the_same(kind: str, small_schema: Schema, encoder: Path, tmp_path: Path) -> None:
    tagger, config = baseline(small_schema) if kind == "baseline" else encoder_tagger(small_schema, encoder)
    save_tagger(tagger, config, tmp_path / "tagger")
    loaded = Tagger.load(tmp_path / "tagger")
    for one, two in zip(tagger.tag(PARAGRAPHS), loaded.tag(PARAGRAPHS), strict=True):
        assert one.labels == two.labels
        for facet, shares in one.probabilities.items():
            assert shares == pytest.approx(two.probabilities[facet], abs=2e-3)
    assert [file.name for file in tmp_path.iterdir()] == ["tagger"]
    assert not list(tmp_path.rglob("*.pkl")) + list(tmp_path.rglob("*.bin"))


def test_an_encoder_reads_closely_or_quickly_and_so_does_its_saved_form(
    small_schema: Schema, encoder: Path, tmp_path: Path
) -> None:
    tagger, config = encoder_tagger(small_schema, encoder)
    texts = [f"{TEXTS[0]} {TEXTS[1]}", TEXTS[2]]
    whole = tagger.engine.logits(texts)
    assert (tagger.logits(texts)[0] != whole[0]).all()
    np.testing.assert_array_equal(tagger.logits(texts)[1], whole[1])
    np.testing.assert_array_equal(tagger.quickly().logits(texts), whole)
    other = Calibration.plain(small_schema).with_thresholds({"stance": 0.2})
    save_tagger(replace(tagger, quick_calibration=other), config, tmp_path / "tagger")
    loaded = Tagger.load(tmp_path / "tagger")
    np.testing.assert_allclose(loaded.logits(texts), tagger.logits(texts), atol=2e-3)
    assert loaded.quickly().calibration == other != loaded.calibration
    (tmp_path / "tagger" / "calibration_quick.json").unlink()
    with pytest.raises(FramingError, match="--quick"):
        Tagger.load(tmp_path / "tagger").quickly()


def test_each_way_of_reading_has_the_calibration_that_fits_it(small_schema: Schema, encoder: Path) -> None:
    engine = encoder_tagger(small_schema, encoder)[0].engine
    texts = [f"{TEXTS[0]} {TEXTS[1]}", f"{TEXTS[1]} {TEXTS[2]} with all of your friends.", TEXTS[2], TEXTS[3]]
    paragraphs = [replace(p, text=t) for p, t in zip(PARAGRAPHS, texts, strict=True)]
    values = np.array([[1, 0, 1, 1, 1, 0], [1, 0, 0, 1, 0, 1], [0, 1, 0, 0, 0, 0], [1, 0, 1, 0, 1, 0]], np.float32)
    dev = Dataset(tuple(paragraphs), LabelMatrix(values, np.ones_like(values, np.bool_)))
    tagger, logits = calibrated(small_schema, engine, name="small", dev=dev, sentence_weight=0.4)
    whole = engine.logits(texts)
    np.testing.assert_array_equal(logits, tagger.logits(texts))
    assert tagger.calibration == fit_calibration(logits, dev.matrix, small_schema)
    assert tagger.quickly().calibration == fit_calibration(whole, dev.matrix, small_schema) != tagger.calibration
    alone, _ = calibrated(small_schema, engine, name="small", dev=dev, sentence_weight=0.0)
    assert alone.calibration == tagger.quick_calibration
    assert alone.quickly() is alone


def test_an_encoder_saved_before_it_could_read_closely_reads_as_it_did(
    small_schema: Schema, encoder: Path, tmp_path: Path
) -> None:
    tagger, config = encoder_tagger(small_schema, encoder)
    save_tagger(tagger, config, tmp_path / "tagger")
    facts = json.loads((tmp_path / "tagger" / "tagger.json").read_text())
    del facts["model"]["sentence_weight"]
    (tmp_path / "tagger" / "tagger.json").write_text(json.dumps(facts))
    loaded = Tagger.load(tmp_path / "tagger")
    texts = [f"{TEXTS[0]} {TEXTS[1]}"]
    np.testing.assert_allclose(loaded.logits(texts), tagger.engine.logits(texts), atol=2e-3)
    assert loaded.quickly() is loaded


def test_every_label_has_a_probability_and_decisions_keep_the_constraints(small_schema: Schema) -> None:
    tagger, _ = baseline(small_schema)
    for found in tagger.tag(PARAGRAPHS):
        assert [(f, label) for f, shares in found.probabilities.items() for label in shares] == [
            (label.facet, label.id) for label in small_schema.labels
        ]
        assert small_schema.violations(found.labels) == []


def test_tagging_streams(small_schema: Schema) -> None:
    tagger, _ = baseline(small_schema)
    read = 0

    def endless() -> Iterator[Paragraph]:
        nonlocal read
        while True:
            read += 1
            yield PARAGRAPHS[read % 4]

    first = next(tagger.tag(endless()))
    assert first.paragraph == PARAGRAPHS[1]
    assert read < 2000


def test_a_folder_that_is_no_tagger_is_named(tmp_path: Path) -> None:
    with pytest.raises(FramingError, match="holds no tagger"):
        Tagger.load(tmp_path)
    (tmp_path / "tagger.json").write_text('{"format": 99}')
    with pytest.raises(FramingError, match="format 99"):
        Tagger.load(tmp_path)


def test_a_file_is_whole_or_not_there(tmp_path: Path, small_schema: Schema) -> None:
    tagger, _ = baseline(small_schema)
    target = tmp_path / "out.jsonl"

    def break_off() -> None:
        with whole_file(target) as file:
            file.write(prediction_to_json(next(tagger.tag(PARAGRAPHS)), small_schema))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert list(tmp_path.iterdir()) == []


def test_a_tagger_that_may_abstain_leaves_open_what_dev_does_not_vouch_for(
    small_schema: Schema, tmp_path: Path
) -> None:
    plain, config = baseline(small_schema)
    sure = {"kind": 0.0, "stance": 1.1, "holder": 0.0}
    track = Track({f: [0.9] * 200 for f in sure}, {f: [int(limit < 1)] * 200 for f, limit in sure.items()})
    save_tagger(replace(plain, track=track), config, tmp_path / "tagger")
    loaded = Tagger.load(tmp_path / "tagger")
    assert loaded.track == track
    cautious = loaded.deciding({}, 0.1)
    assert cautious.limits == {"kind": 0.9, "stance": 1.1, "holder": 0.9}
    for found in cautious.tag(PARAGRAPHS):
        assert "stance" not in found.labels, "it was always wrong on dev"
        assert found.probabilities["stance"], "its probabilities are still told"
    with pytest.raises(FramingError, match="no record of its errors"):
        plain.deciding({}, 0.1)


def test_another_threshold_changes_what_is_chosen(small_schema: Schema) -> None:
    plain, _ = baseline(small_schema)
    eager, shy = plain.deciding({"stance": 0.01, "holder": 0.01}, None), plain.deciding({"stance.talks": 0.999}, None)
    assert any(len(found.labels["stance"]) == 2 for found in eager.tag(PARAGRAPHS[:2]))
    assert all("talks" not in found.labels["stance"] for found in shy.tag(PARAGRAPHS))
