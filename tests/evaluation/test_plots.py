"""Pictures are drawn and show something."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import image

from framing.evaluation import plots
from framing.evaluation.metrics import Record, judge, score


def shows_something(path: Path) -> bool:
    pixels = image.imread(path)
    return pixels.shape[0] > 100 and len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 10


def test_every_picture_of_a_run_is_drawn(tmp_path: Path) -> None:
    gold = {
        str(n): Record(str(n), "nl" if n % 2 else "de", "d", {"f": ("a",) if n % 3 else ("b",)}, {}) for n in range(9)
    }
    predicted = {
        key: Record(key, r.language, "d", {"f": ("a",)}, {"f": {"a": 0.8, "b": 0.3}}) for key, r in gold.items()
    }
    judged = judge(gold, predicted)
    plots.label_bars(score(judged), tmp_path / "bars.png", "title")
    plots.language_heatmap(judged, "f", tmp_path / "languages.png")
    plots.cooccurrence(judged, "f", tmp_path / "confusion.png")
    plots.training_curves([(n, 1 / (n + 1)) for n in range(40)], [(20, 0.5), (40, 0.6)], tmp_path / "curves.png")
    for path in tmp_path.iterdir():
        assert shows_something(path), path
