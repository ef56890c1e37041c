"""Every knob of a run, typed and frozen. The values live in conf/; here is no default."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from framing.errors import FramingError, did_you_mean, raise_all


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Frozen):
    """What is learned from. `splits` names a frozen file of document ids; without one, articles are dealt by `seed`."""

    name: str
    schema_file: Path
    sources: tuple[Path, ...]
    annotations: tuple[Path, ...]
    splits: Path | None
    # learn from this many of the training articles only, the same ones each time; null: from all
    train_articles: Annotated[int, Field(ge=1)] | None
    # data=none: no annotations, the tagger starts from the schema alone
    zero_shot: bool
    # its head says what a model card must say of texts, coders, limits and licence; null: the card says it is not known
    datasheet: Path | None


class _EncoderConfig(_Frozen):
    prefix: str
    max_tokens: Annotated[int, Field(ge=16, le=8192)]
    freeze_layers: Annotated[int, Field(ge=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    head_start: Literal["schema", "random"]
    # how tokens become a text: all alike (mean), or weighed by a query for each label
    pooling: Literal["mean", "label"]


class BundledConfig(_EncoderConfig):
    kind: Literal["bundled"]


class HubConfig(_EncoderConfig):
    kind: Literal["hub"]
    name: str
    revision: str | None


class TfidfConfig(_Frozen):
    kind: Literal["tfidf"]
    word_ngrams: Annotated[int, Field(ge=1, le=5)]
    character_ngrams: Annotated[int, Field(ge=1, le=8)]
    max_features: Annotated[int, Field(ge=100)]
    regularisation: Annotated[float, Field(gt=0)]


ModelConfig = Annotated[BundledConfig | HubConfig | TfidfConfig, Field(discriminator="kind")]


class TrainingConfig(_Frozen):
    seed: Annotated[int, Field(ge=0)]
    epochs: Annotated[int, Field(ge=1, le=1000)]
    batch_tokens: Annotated[int, Field(ge=64)]
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    head_learning_rate: Annotated[float, Field(gt=0, lt=1)]
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup: Annotated[float, Field(ge=0, lt=1)]
    # power of (negatives / positives) that a positive counts for: 0 plain, 0.5 square root
    positive_weight: Annotated[float, Field(ge=0, le=1)]
    # share of the running average of weights kept at each step; 0 keeps the last weights
    average: Annotated[float, Field(ge=0, lt=1)]
    precision: Literal["auto", "bf16", "fp32"]
    cache_trunk: bool


class TrackingConfig(_Frozen):
    enabled: bool
    # null: $MLFLOW_TRACKING_URI, or the sqlite store in `folder`
    uri: str | None
    folder: Path
    experiment: str
    model_name: str
    register_model: bool


class RunConfig(_Frozen):
    name: str | None
    # 0: one run on one split; n: cross-validation by article, each fold a nested run
    folds: Annotated[int, Field(ge=0)]
    # name of a run to go on with
    resume: str | None
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig
    tracking: TrackingConfig


def check_config(values: Mapping[str, Any]) -> RunConfig:
    """The typed form of a composed configuration; all wrong keys and values at once as FramingError."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise_all([_fault(item) for item in error.errors()])
        raise


def _fault(item: Mapping[str, Any]) -> FramingError:
    # pydantic puts the union's tag (bundled, hub, tfidf) into the path: a key that nobody wrote
    key = ".".join(str(part) for part in item["loc"] if part not in ("bundled", "hub", "tfidf"))
    if item["type"] == "extra_forbidden":
        models = (RunConfig, DataConfig, TrainingConfig, TrackingConfig, BundledConfig, HubConfig, TfidfConfig)
        known = {name for model in models for name in model.model_fields}
        return FramingError(f"config {key}", "unknown key", did_you_mean(str(item["loc"][-1]), sorted(known)))
    if item["type"] == "missing":
        return FramingError(f"config {key}", "is not set", f"add {key}=VALUE")
    return FramingError(f"config {key}", f"{item['input']!r:.60} is wrong", str(item["msg"]).lower())
