"""Every knob of a run, typed and frozen. The values live in conf/; here is no default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from framing.errors import FramingError, did_you_mean, raise_all

Model = TypeVar("Model", bound=BaseModel)


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


class _ReaderConfig(_Frozen):
    # weight of the sentence in which a label shows most, beside the paragraph as a whole; 0: read as a whole only
    sentence_weight: Annotated[float, Field(ge=0, lt=1)]


class _EncoderConfig(_ReaderConfig):
    prefix: str
    max_tokens: Annotated[int, Field(ge=16, le=8192)]
    freeze_layers: Annotated[int, Field(ge=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    head_start: Literal["schema", "random"]


class BundledConfig(_EncoderConfig):
    kind: Literal["bundled"]


class HubConfig(_EncoderConfig):
    kind: Literal["hub"]
    name: str
    revision: str | None


class TfidfConfig(_ReaderConfig):
    kind: Literal["tfidf"]
    word_ngrams: Annotated[int, Field(ge=1, le=5)]
    character_ngrams: Annotated[int, Field(ge=1, le=8)]
    max_features: Annotated[int, Field(ge=100)]
    regularisation: Annotated[float, Field(gt=0)]


ModelConfig = Annotated[BundledConfig | HubConfig | TfidfConfig, Field(discriminator="kind")]


class TrainingConfig(_Frozen):
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    epochs: Annotated[int, Field(ge=1, le=1000)]
    # texts read in all epochs together: where this would be passed, epochs are fewer; null: no limit
    most_readings: Annotated[int, Field(ge=1)] | None
    batch_tokens: Annotated[int, Field(ge=64)]
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    head_learning_rate: Annotated[float, Field(gt=0, lt=1)]
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup: Annotated[float, Field(ge=0, lt=1)]
    # power of (negatives / positives) that a positive counts for: 0 plain, 0.5 square root
    positive_weight: Annotated[float, Field(ge=0, le=1)]
    # asymmetric loss: power of its probability that a negative counts for, and what is taken off that probability first
    negative_focus: Annotated[float, Field(ge=0, le=8)]
    negative_margin: Annotated[float, Field(ge=0, lt=0.5)]
    # share of the running average of weights kept at each step; 0 keeps the last weights
    average: Annotated[float, Field(ge=0, lt=1)]
    precision: Literal["auto", "bf16", "fp32"]
    cache_trunk: bool
    # share of neighbouring paragraphs that the encoder also learns from as one, with the labels of both; 0: none
    join_neighbours: Annotated[float, Field(ge=0, le=1)]


class TrackingConfig(_Frozen):
    enabled: bool
    # null: $MLFLOW_TRACKING_URI, or the sqlite store in `folder`
    uri: str | None
    folder: Path
    experiment: str
    model_name: str
    register_model: bool


class LeaveOutConfig(_Frozen):
    """A nested run for each value of a trait of articles: those that have it test, and teach nothing."""

    # what the sources say of an article, as language, setting, register; null: nothing is left out
    key: Annotated[str, Field(min_length=1)] | None
    # only these values; null: all there are
    values: Annotated[tuple[str, ...], Field(min_length=1)] | None

    @field_validator("values", mode="before")
    @classmethod
    def _words(cls, values: Any) -> Any:
        return tuple(dict.fromkeys(str(value) for value in values)) if isinstance(values, list | tuple) else values

    @model_validator(mode="after")
    def _has_key(self) -> LeaveOutConfig:
        if self.values and not self.key:
            raise ValueError("values of what? give leave_out.key too")
        return self


class RunConfig(_Frozen):
    name: str | None
    # 0: one run on one split; n: cross-validation by article, each fold a nested run
    folds: Annotated[int, Field(ge=0)]
    leave_out: LeaveOutConfig
    # name of a run to go on with
    resume: str | None
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig
    tracking: TrackingConfig

    @model_validator(mode="after")
    def _one_way(self) -> RunConfig:
        if self.folds and self.leave_out.key:
            raise ValueError("articles are left out by folds or by leave_out, not both")
        return self


class FloatRange(_Frozen):
    """Real numbers from low to high; `log`: as many from each power of ten."""

    kind: Literal["float", "log"]
    low: float
    high: float


class IntRange(_Frozen):
    """Whole numbers from low to high, both included."""

    kind: Literal["int"]
    low: int
    high: int


class Choices(_Frozen):
    kind: Literal["categorical"]
    choices: Annotated[tuple[bool | int | float | str | None, ...], Field(min_length=2)]


Range = Annotated[FloatRange | IntRange | Choices, Field(discriminator="kind")]


class SweepConfig(_Frozen):
    """A search for the best values. `space` is a tree like that of the configuration; its leaves are ranges."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    # of all processes together; the same sweep with more goes on
    trials: Annotated[int, Field(ge=1)]
    # 0: scored on dev; n: mean of n folds of the training and dev articles, each fold held out once
    folds: Annotated[int, Field(ge=0)]
    seed: Annotated[int, Field(ge=0)]
    sampler: Literal["tpe", "random"]
    # trials drawn at random before the sampler learns from them and the pruner compares with them
    startup: Annotated[int, Field(ge=1)]
    pruner: Literal["none", "median", "halving"]
    # epochs (with folds: folds) that every trial may have
    warmup: Annotated[int, Field(ge=0)]
    # train the best configuration at the end and score it on test
    final: bool
    space: Mapping[str, Range]

    @field_validator("space", mode="before")
    @classmethod
    def _flat(cls, tree: Any) -> Any:
        return dict(_leaves(tree)) if isinstance(tree, Mapping) else tree

    @field_validator("space")
    @classmethod
    def _sound(cls, space: Mapping[str, Range]) -> Mapping[str, Range]:
        if not space:
            raise ValueError("nothing varies: give it ranges")
        for key, found in space.items():
            if not isinstance(found, Choices) and not found.low < found.high:
                raise ValueError(f"{key}: low must be less than high")
            if isinstance(found, FloatRange) and found.kind == "log" and found.low <= 0:
                raise ValueError(f"{key}: a log range begins above 0")
        return space


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`training.learning_rate` -> its range; what says its kind in a word is a range, other maps are branches."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and not isinstance(value.get("kind"), str):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def check_config(values: Mapping[str, Any]) -> RunConfig:
    """The typed form of a composed configuration; all wrong keys and values at once as FramingError."""
    return _check(RunConfig, values)


def check_sweep(values: Mapping[str, Any]) -> SweepConfig:
    """The same of the part `sweep` of a configuration."""
    return _check(SweepConfig, values, "sweep.")


def check_tracking(values: Mapping[str, Any]) -> TrackingConfig:
    """The same of the part `tracking`."""
    return _check(TrackingConfig, values, "tracking.")


def _check(model: type[Model], values: Mapping[str, Any], prefix: str = "") -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise_all([_fault(item, prefix) for item in error.errors()])
        raise


_TAGS = ("bundled", "hub", "tfidf", "float", "log", "int", "categorical")


def _fault(item: Mapping[str, Any], prefix: str) -> FramingError:
    # pydantic puts the union's tag (bundled, hub, tfidf) into the path: a key that nobody wrote
    key = prefix + ".".join(str(part) for part in item["loc"] if part not in _TAGS)
    if item["type"] == "extra_forbidden":
        models: tuple[type[BaseModel], ...] = (RunConfig, DataConfig, TrainingConfig, TrackingConfig, BundledConfig)
        models += (LeaveOutConfig, HubConfig, TfidfConfig, SweepConfig, FloatRange, IntRange, Choices)
        known = {name for model in models for name in model.model_fields}
        return FramingError(f"config {key}", "unknown key", did_you_mean(str(item["loc"][-1]), sorted(known)))
    if item["type"] == "missing":
        return FramingError(f"config {key}", "is not set", f"add {key}=VALUE")
    return FramingError(f"config {key}", f"{item['input']!r:.60} is wrong", str(item["msg"]).lower())
