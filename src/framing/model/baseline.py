"""The baseline behind the same seam: TF-IDF of words and of characters, one logistic regression a label."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from framing.config import TfidfConfig
from framing.dataset import Dataset
from framing.schema import Schema

_NEVER = -6.0
"""The logit of a label that has no example, or no counterexample, to learn from."""


class Baseline:
    """Texts -> logits [texts x labels]; bigrams of words and character n-grams within words, which suits inflection."""

    def __init__(self, schema: Schema, config: TfidfConfig) -> None:
        self.schema, self.config = schema, config
        longest = max(3, config.character_ngrams)
        self.views: dict[str, dict[str, Any]] = {
            "words": {"ngram_range": (1, config.word_ngrams), "sublinear_tf": True},
            "characters": {"analyzer": "char_wb", "ngram_range": (3, longest), "sublinear_tf": True},
        }
        self.vectorizers: dict[str, Any] = {
            name: TfidfVectorizer(**view, max_features=config.max_features, min_df=2)
            for name, view in self.views.items()
        }
        self.weights: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self.bias: NDArray[np.float32] = np.zeros(0, np.float32)

    def fit(self, train: Dataset) -> None:
        """Learn from the decided labels; a soft label counts as both, by its share."""
        features = hstack([v.fit_transform(train.texts) for v in self.vectorizers.values()], format="csr")
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
            model = LogisticRegression(
                C=self.config.regularisation, class_weight="balanced", solver="liblinear", dual=True, random_state=0
            )
            model.fit(features[both], truth, sample_weight=share)
            self.weights[column], self.bias[column] = model.coef_[0], model.intercept_[0]
        self.weights = self.weights.astype(np.float16).astype(np.float32)  # what is scored is what is saved

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        features = hstack([v.transform(texts) for v in self.vectorizers.values()], format="csr")
        return np.asarray(features @ self.weights.T + self.bias, np.float32)

    def save(self, folder: Path) -> None:
        """Vocabularies as JSON and numbers as safetensors: a pickle could run code when it is loaded."""
        from safetensors.numpy import save_file

        words = {name: list(v.get_feature_names_out()) for name, v in self.vectorizers.items()}
        (folder / "vocabulary.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
        arrays = {f"idf.{name}": np.asarray(v.idf_, np.float32) for name, v in self.vectorizers.items()}
        arrays |= {"weights": self.weights.astype(np.float16), "bias": self.bias}
        save_file(arrays, folder / "weights.safetensors")

    def load(self, folder: Path) -> None:
        from safetensors.numpy import load_file

        words = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
        arrays = load_file(folder / "weights.safetensors")
        for name, view in self.views.items():
            self.vectorizers[name] = TfidfVectorizer(**view, vocabulary=words[name])
            self.vectorizers[name].idf_ = arrays[f"idf.{name}"].astype(np.float64)
        self.weights, self.bias = arrays["weights"].astype(np.float32), arrays["bias"]
