"""Trained weights <-> a safetensors file of half floats: never a pickle, never what was frozen."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from framing.model.classifier import Classifier


def round_weights(classifier: Classifier) -> None:
    """Round the trained weights to half floats in place, so that what is scored is what is saved."""
    classifier.load_trained({name: value.half().float() for name, value in classifier.trained_state().items()})


def save_weights(classifier: Classifier, path: Path) -> None:
    save_file({name: value.half().contiguous().cpu() for name, value in classifier.trained_state().items()}, path)


def load_weights(classifier: Classifier, path: Path) -> None:
    classifier.load_trained({name: value.float() for name, value in load_file(path).items()})


def save_state(state: dict[str, torch.Tensor], path: Path) -> None:
    """A training's full state, written beside and renamed: a crash leaves the epoch before."""
    beside = path.with_name(path.name + ".part")
    save_file(state, beside)
    beside.replace(path)


def load_state(path: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(path))
