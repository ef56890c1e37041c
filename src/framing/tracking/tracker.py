"""What a run tells about itself, whoever listens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

CONFIG_FILE = "config.yaml"
CARD = "model_card.md"
NOTE = "mlflow.note.content"
"""The tag that MLflow shows as a run's description."""
INPUTS = "inputs"
"""What a run depends on, in its folder: configuration, schema, split."""

STATE = "state.safetensors"
"""Of a training after its last whole epoch, in the run's folder; it is there as long as the run has not ended."""

UNREGISTERED = "unregistered"
"""File in the folder of a run that ended while the store was away: going on with the run registers its tagger."""

NOTE = "mlflow.note.content"
"""The tag that the MLflow UI shows as a run's description, in Markdown."""

TAGGER = "tagger"
"""The name under which a run's tagger is logged: `runs:/ID/tagger`."""


class Tracker(Protocol):
    """What a run tells about itself. `folder` is its own place on this disk, for checkpoints."""

    run_id: str
    folder: Path

    def log_params(self, values: Mapping[str, Any]) -> None: ...

    def log_tags(self, values: Mapping[str, str]) -> None: ...

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None: ...

    def log_files(self, folder: Path, name: str = "") -> None: ...

    def log_dataset(self, name: str, fingerprint: str, rows: list[dict[str, str]], context: str) -> None: ...


class NullTracker:
    """Records nothing; the run keeps its files in its folder."""

    def __init__(self, folder: Path) -> None:
        self.run_id, self.folder = "untracked", folder
        folder.mkdir(parents=True, exist_ok=True)

    def log_params(self, values: Mapping[str, Any]) -> None: ...

    def log_tags(self, values: Mapping[str, str]) -> None: ...

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None: ...

    def log_files(self, folder: Path, name: str = "") -> None: ...

    def log_dataset(self, name: str, fingerprint: str, rows: list[dict[str, str]], context: str) -> None: ...
