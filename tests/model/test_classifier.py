"""The classifier and its parts on a small real encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from framing.config import HubConfig
from framing.errors import FramingError
from framing.model.classifier import Classifier
from framing.model.tokenization import batches_by_length, shuffled_batches
from framing.schema import Facet, Schema

TEXTS = [
    "The North wants talks.",
    "Missiles hit Brod. " * 20,
    "Share",
    "On day 3 the South launched an attack near Alba.",
]


def config(encoder: Path, **changes: object) -> HubConfig:
    values: dict[str, object] = {
        "kind": "hub",
        "name": str(encoder),
        "revision": None,
        "prefix": "",
        "max_tokens": 32,
        "freeze_layers": 1,
        "dropout": 0.1,
        "head_start": "schema",
        "sentence_weight": 0.0,
    }
    return HubConfig.model_validate({**values, **changes})


@pytest.fixture(scope="module")
def classifier(small_schema: Schema, encoder: Path) -> Classifier:
    return Classifier(small_schema, config(encoder))


def test_padding_and_order_do_not_change_a_texts_logits(classifier: Classifier) -> None:
    together = classifier.logits(TEXTS)
    alone = np.concatenate([classifier.logits([text]) for text in TEXTS])
    assert together.shape == (4, len(classifier.schema.labels))
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(classifier.logits(TEXTS[::-1])[::-1], together, atol=1e-5)


def test_a_long_text_is_read_in_windows_to_its_end(classifier: Classifier) -> None:
    windows = classifier.tokenization.windows(TEXTS)
    assert (windows.owner == 1).sum() > 2
    ending = TEXTS[1] + " The North wants talks and offers to negotiate a peace."
    assert np.abs(classifier.logits([ending]) - classifier.logits([TEXTS[1]])).max() > 1e-3


def test_only_what_is_above_the_trunk_learns(classifier: Classifier) -> None:
    learning = {name for name, value in classifier.named_parameters() if value.requires_grad}
    assert all(name.startswith(("backbone.learning.", "heads.")) for name in learning)
    assert set(classifier.trained_state()) == learning


def test_heads_start_from_what_the_schema_says(small_schema: Schema, encoder: Path) -> None:
    classifier = Classifier(small_schema, config(encoder))
    classifier.start_from_schema()
    said = classifier.logits(["Wants to talk and negotiate.", "Attacks with missiles."])
    columns = small_schema.columns("stance")
    assert said[0, columns].argmax() == 0
    assert said[1, columns].argmax() == 1


def test_freezing_more_layers_than_there_are_is_refused(small_schema: Schema, encoder: Path) -> None:
    with pytest.raises(FramingError, match="only 2 layers"):
        Classifier(small_schema, config(encoder, freeze_layers=3))


def test_an_encoder_that_cannot_be_had_is_one_clear_line(small_schema: Schema, tmp_path: Path) -> None:
    with pytest.raises(FramingError) as caught:
        Classifier(small_schema, config(tmp_path / "none", name="nobody/nothing-at-all"))
    assert "cannot get 'nobody/nothing-at-all' from the hub" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.integers(64, 600), st.integers(0, 9))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int, seed: int) -> None:
    array = np.array(lengths, np.int64)
    for batches in (
        batches_by_length(array, budget),
        list(shuffled_batches(array, budget, np.random.default_rng(seed))),
    ):
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
        assert all(len(batch) == 1 or len(batch) * array[batch].max() <= budget for batch in batches)


def test_padding_is_masked_in_training_too(classifier: Classifier) -> None:
    """The trunk and the top see a padded batch as they see each text alone."""
    windows = classifier.tokenization.windows(TEXTS[:1] + TEXTS[3:]).ids
    with torch.no_grad():
        states, mask = classifier.trunk_states(windows)
        together = classifier(states, mask, torch.arange(2), 2)
        alone = torch.cat(
            [classifier(*classifier.trunk_states([w]), torch.zeros(1, dtype=torch.int64), 1) for w in windows]
        )
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_a_label_alone_in_its_facet_starts_from_its_description_too(small_schema: Schema, encoder: Path) -> None:
    alone = Facet("alone", "Alone", "many", "", small_schema.facet("stance").labels[:1])
    schema = Schema("one", "", (*small_schema.facets, alone), ())
    classifier = Classifier(schema, config(encoder))
    classifier.start_from_schema()
    logits = classifier.logits(TEXTS)[:, -1]
    assert len(set(logits.round(4).tolist())) == len(TEXTS)


@pytest.mark.parametrize("kind", ["mpnet", "deberta-v2", "electra"])
def test_encoders_whose_layers_want_more_than_states_are_run_whole(
    kind: str, small_schema: Schema, encoder: Path, tmp_path: Path
) -> None:
    from transformers import AutoConfig, AutoModel

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    facts = {**sizes, "vocab_size": 300, "max_position_embeddings": 128}
    AutoModel.from_config(AutoConfig.for_model(kind, **facts)).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_text((encoder / name).read_text())
    classifier = Classifier(small_schema, config(tmp_path, freeze_layers=0))
    together = classifier.logits(TEXTS)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together[:1], classifier.logits(TEXTS[:1]), atol=1e-4)
    with pytest.raises(FramingError, match="choose 0"):
        Classifier(small_schema, config(tmp_path, freeze_layers=1))


def test_an_encoder_without_safetensors_is_refused_with_a_cure(
    small_schema: Schema, encoder: Path, tmp_path: Path
) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_text((encoder / name).read_text())
    with pytest.raises(FramingError, match="safetensors"):
        Classifier(small_schema, config(tmp_path))
