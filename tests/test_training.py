"""Learning: it learns, it repeats, and an interrupted training goes on as if it had not been."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from framing.annotation.store import read_annotations
from framing.config import HubConfig, TrainingConfig
from framing.corpus.paragraphs import split_documents
from framing.corpus.reading import read_documents
from framing.dataset import Dataset, LabelMatrix, build_dataset
from framing.model.classifier import Classifier
from framing.model.weights import load_state, save_state
from framing.schema import Schema
from framing.training import Step, Training, facet_loss, macro_average_precision

CONFIG = TrainingConfig(
    seed=3,
    epochs=4,
    batch_tokens=128,
    learning_rate=2e-3,
    head_learning_rate=1e-2,
    layer_decay=0.9,
    weight_decay=0.01,
    warmup=0.1,
    positive_weight=0.5,
    negative_focus=0.0,
    negative_margin=0.0,
    average=0.9,
    precision="fp32",
    cache_trunk=False,
    join_neighbours=0.0,
    most_readings=None,
)


@pytest.fixture(scope="module")
def data(project: Path, small_schema: Schema) -> Dataset:
    placed, _ = read_annotations([project / "anna.jsonl"], small_schema)
    paragraphs = split_documents(read_documents([project / "texts"]))
    return build_dataset(paragraphs, [item.annotation for item in placed], small_schema)


def training(data: Dataset, schema: Schema, encoder: Path, epochs: int = 4) -> Training:
    torch.manual_seed(1)
    model = HubConfig(
        kind="hub",
        name=str(encoder),
        revision=None,
        prefix="",
        max_tokens=32,
        freeze_layers=1,
        dropout=0.1,
        head_start="schema",
        sentence_weight=0.0,
    )
    classifier = Classifier(schema, model)
    classifier.start_from_schema()
    train, dev = data.of_documents(data.documents[:4]), data.of_documents(data.documents[4:])
    config = CONFIG.model_copy(update={"epochs": epochs})
    return Training(classifier, train, dev, config)


def test_it_learns_and_ends_with_the_best_epochs_weights(data: Dataset, small_schema: Schema, encoder: Path) -> None:
    one = training(data, small_schema, encoder, epochs=30)
    before = macro_average_precision(one.dev_logits(), one.dev.matrix)
    steps = list(one.steps())
    ends = [step for step in steps if step.dev_score is not None]
    assert len(steps) == steps[-1].total
    assert [step.epoch for step in ends] == list(range(1, 31))
    assert steps[-1].loss < steps[0].loss / 2
    best = max(step.dev_score or 0 for step in ends)
    assert best > before + 0.1
    assert macro_average_precision(one.dev_logits(), one.dev.matrix) == pytest.approx(best)


def test_the_same_seed_repeats_bit_for_bit(data: Dataset, small_schema: Schema, encoder: Path) -> None:
    one, two = training(data, small_schema, encoder), training(data, small_schema, encoder)
    assert [step.loss for step in one.steps()] == [step.loss for step in two.steps()]
    assert np.array_equal(one.dev_logits(), two.dev_logits())


def test_an_interrupted_training_goes_on_bit_for_bit(
    data: Dataset, small_schema: Schema, encoder: Path, tmp_path: Path
) -> None:
    whole = training(data, small_schema, encoder)
    expected = list(whole.steps())

    broken = training(data, small_schema, encoder)
    done: list[Step] = []
    for step in broken.steps():
        done.append(step)
        if step.dev_score is not None:
            save_state(broken.state(), tmp_path / "state.safetensors")
        if step.epoch == 3:
            break  # a step into the third epoch, which is lost
    resumed = training(data, small_schema, encoder)
    resumed.restore(load_state(tmp_path / "state.safetensors"))
    rest = list(resumed.steps())
    kept = [step for step in done if step.epoch <= 2]
    assert kept + rest == expected
    assert np.array_equal(resumed.dev_logits(), whole.dev_logits())
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]


def test_undecided_facets_teach_nothing(small_schema: Schema) -> None:
    logits = torch.randn(2, len(small_schema.labels), requires_grad=True)
    values = torch.rand(2, len(small_schema.labels))
    mask = torch.zeros(2, len(small_schema.labels))
    stance = small_schema.columns("stance")
    mask[0, stance] = 1
    facet_loss(logits, values, mask, small_schema, torch.ones(len(small_schema.labels))).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    touched = logits.grad != 0
    assert touched[0, stance].all()
    assert touched.sum() == touched[0, stance].sum()


def many(small_schema: Schema) -> tuple[Schema, slice]:
    """A schema and the columns of its facet of many labels."""
    (facet,) = [facet for facet in small_schema.facets if facet.choice == "many"][:1]
    return small_schema, small_schema.columns(facet.id)


def test_without_focus_and_margin_it_is_torchs_cross_entropy(small_schema: Schema) -> None:
    schema, columns = many(small_schema)
    torch.manual_seed(0)
    logits, values = torch.randn(5, len(schema.labels)) * 4, torch.rand(5, len(schema.labels))
    mask = torch.zeros_like(values)
    mask[:, columns] = 1
    weight = torch.full((len(schema.labels),), 2.0)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[:, columns], values[:, columns], pos_weight=weight[columns], reduction="sum"
    )
    assert float(facet_loss(logits, values, mask, schema, weight)) == pytest.approx(float(expected) / 5, rel=1e-5)


def test_with_focus_and_margin_easy_negatives_teach_next_to_nothing(small_schema: Schema) -> None:
    schema, columns = many(small_schema)

    def pull(logit: float, focus: float, margin: float) -> float:
        logits = torch.full((1, len(schema.labels)), logit, requires_grad=True)
        mask = torch.zeros(1, len(schema.labels))
        mask[:, columns] = 1
        ones = torch.ones(len(schema.labels))
        facet_loss(logits, torch.zeros_like(mask), mask, schema, ones, focus, margin).backward()  # type: ignore[no-untyped-call]
        assert logits.grad is not None
        return float(logits.grad[0, columns.start])

    assert pull(-4.0, 2.0, 0.05) == 0.0
    assert pull(-4.0, 0.0, 0.0) > 0.01
    assert pull(2.0, 2.0, 0.05) > 0.5


@given(st.floats(-200, 200), st.floats(0, 8), st.floats(0, 0.45), st.floats(0, 1))
def test_the_loss_and_its_slope_are_finite_however_sure_the_tagger_is(
    small_schema: Schema, logit: float, focus: float, margin: float, target: float
) -> None:
    logits = torch.full((1, len(small_schema.labels)), logit, requires_grad=True)
    values, mask = torch.full_like(logits, target).detach(), torch.ones(1, len(small_schema.labels))
    loss = facet_loss(logits, values, mask, small_schema, torch.ones(len(small_schema.labels)), focus, margin)
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_the_dev_score_is_the_mean_over_labels_that_occur() -> None:
    values = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]], np.float32)
    mask = np.ones_like(values, np.bool_)
    logits = np.array([[2, 3, 0], [1, 1, 0], [0, 2, 0]], np.float32)
    expected = (1.0 + (1 / 2 + 2 / 3) / 2) / 2
    assert macro_average_precision(logits, LabelMatrix(values, mask)) == pytest.approx(expected)
