"""The baseline behind the same seam: TF-IDF of words and of characters, one logistic regression a label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion

from framing.config import TfidfConfig
from framing.dataset import Dataset
from framing.schema import Schema

_NEVER = -6.0
"""The logit of a label that has no example, or no counterexample, to learn from."""


class Baseline:
    """Texts -> logits [texts x labels]; bigrams of words and character n-grams within words, which suits inflection."""

    def __init__(self, schema: Schema, config: TfidfConfig) -> None:
        self.schema, self.config = schema, config
        words = TfidfVectorizer(
            ngram_range=(1, config.word_ngrams), max_features=config.max_features, sublinear_tf=True, min_df=2
        )
        characters = TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=(3, max(3, config.character_ngrams)),
            max_features=config.max_features,
            sublinear_tf=True,
            min_df=2,
        )
        self.features: Any = FeatureUnion([("words", words), ("characters", characters)])
        self.weights: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self.bias: NDArray[np.float32] = np.zeros(0, np.float32)

    def fit(self, train: Dataset) -> None:
        """Learn from the decided labels; a soft label counts as both, by its share."""
        features = self.features.fit_transform(train.texts).tocsr()
        labels = len(self.schema.labels)
        self.weights = np.zeros((labels, features.shape[1]), np.float32)
        self.bias = np.full(labels, _NEVER, np.float32)
        for column in range(labels):
            rows = np.flatnonzero(train.matrix.mask[:, column])
            values = train.matrix.values[rows, column]
            both = np.concatenate([rows[values > 0], rows[values < 1]])
            truth = np.concatenate([np.ones((values > 0).sum()), np.zeros((values < 1).sum())])
            share = np.concatenate([values[values > 0], 1 - values[values < 1]])
            if len(np.unique(truth)) < 2:
                self.bias[column] = -_NEVER if len(truth) and truth[0] else _NEVER
                continue
            model = LogisticRegression(C=self.config.regularisation, class_weight="balanced", solver="liblinear")
            model.fit(features[both], truth, sample_weight=share)
            self.weights[column], self.bias[column] = model.coef_[0], model.intercept_[0]
        self.weights = self.weights.astype(np.float16).astype(np.float32)  # what is scored is what is saved

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(self.features.transform(texts) @ self.weights.T + self.bias, np.float32)

    def save(self, folder: Path) -> None:
        """The features by skops, which writes no pickle, and the weights beside them."""
        import skops.io
        from safetensors.numpy import save_file

        skops.io.dump(self.features, folder / "features.skops")
        save_file({"weights": self.weights.astype(np.float16), "bias": self.bias}, folder / "weights.safetensors")

    def load(self, folder: Path) -> None:
        import skops.io
        from safetensors.numpy import load_file

        self.features = skops.io.load(folder / "features.skops", trusted=["numpy.dtype"])
        state = load_file(folder / "weights.safetensors")
        self.weights, self.bias = state["weights"].astype(np.float32), state["bias"]
