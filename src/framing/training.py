"""Learning: losses, batches and the loop. It knows no disk, no tracker and no terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import Tensor, nn

from framing.config import TrainingConfig
from framing.dataset import Dataset, LabelMatrix
from framing.model.classifier import Classifier
from framing.model.tokenization import shuffled_batches
from framing.schema import Schema


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step; `dev_score` only at the end of an epoch, `is_best` if no epoch before scored as high."""

    number: int
    total: int
    epoch: int
    loss: float
    learning_rate: float
    dev_score: float | None = None
    is_best: bool = False


def macro_average_precision(logits: NDArray[np.float32], targets: LabelMatrix) -> float:
    """Mean over labels with a positive among the decided rows; it needs no threshold, so epochs compare fairly."""
    scores = []
    for column in range(logits.shape[1]):
        decided = targets.mask[:, column]
        truth = targets.values[decided, column] > 0.5
        if truth.any():
            scores.append(float(average_precision_score(truth, logits[decided, column])))
    return float(np.mean(scores)) if scores else 0.0


def facet_loss(
    logits: Tensor,
    values: Tensor,
    mask: Tensor,
    schema: Schema,
    positive_weight: Tensor,
    negative_focus: float = 0.0,
    negative_margin: float = 0.0,
) -> Tensor:
    """Mean over texts of the sum over labels: cross-entropy where one is chosen, else binary cross-entropy.

    All are [texts x labels]; undecided facets count nothing; soft labels are targets like others. A negative's loss is
    multiplied by its probability to the power `negative_focus`, of which `negative_margin` is taken off first, so that
    the many easy negatives weigh little (asymmetric loss, Ridnik et al. 2021). Both 0 is plain cross-entropy.
    """
    total = logits.new_zeros(())
    for facet in schema.facets:
        columns = schema.columns(facet.id)
        part, target, decided = logits[:, columns], values[:, columns], mask[:, columns]
        if facet.choice == "one":
            total = total - (torch.log_softmax(part, dim=1) * target * decided).sum()
        else:
            positive = -nn.functional.logsigmoid(part) * positive_weight[columns]
            negative = _negative_loss(part, negative_focus, negative_margin)
            total = total + ((target * positive + (1 - target) * negative) * decided).sum()
    return total / len(logits)


def _negative_loss(logits: Tensor, focus: float, margin: float) -> Tensor:
    if not focus and not margin:
        return -nn.functional.logsigmoid(-logits)
    tiny = 1e-8  # not nothing: a power below one has no slope there
    shifted = (torch.sigmoid(logits) - margin).clamp(min=tiny)
    return -torch.log((1 - shifted).clamp(min=tiny)) * shifted**focus


class Training:
    """One training of one classifier. `steps` runs it; between epochs, `state` and `restore` stop it and go on.

    Random numbers are drawn anew for each epoch from the seed and its number, so a training that was interrupted after
    epoch n and restored does what an uninterrupted one does.
    """

    def __init__(self, classifier: Classifier, train: Dataset, dev: Dataset, config: TrainingConfig) -> None:
        self.classifier, self.train, self.dev, self.config = classifier, train, dev, config
        self.windows = classifier.tokenization.windows(train.texts)
        self.dev_windows = classifier.tokenization.windows(dev.texts)
        self.lengths = np.bincount(
            self.windows.owner, weights=[len(w) for w in self.windows.ids], minlength=len(train)
        ).astype(np.int64)
        self.total = sum(1 for epoch in range(config.epochs) for _ in self._batches(epoch))
        self.parameters = {n: p for n, p in classifier.named_parameters() if p.requires_grad}
        self.optimizer = self._optimizer()
        self.positive_weight = _positive_weight(train.matrix, config.positive_weight).to(classifier.device)
        self.average = {name: value.detach().clone() for name, value in self.parameters.items()}
        self.best: dict[str, Tensor] = {name: value.clone() for name, value in self.average.items()}
        self.best_score = -1.0
        self.epoch = 0
        self.number = 0

    def _batches(self, epoch: int) -> Iterator[NDArray[np.int64]]:
        return shuffled_batches(
            self.lengths, self.config.batch_tokens, np.random.default_rng((self.config.seed, epoch))
        )

    def _optimizer(self) -> torch.optim.Optimizer:
        """Heads at their own rate; layers at a rate that falls by `layer_decay` with each layer downwards."""
        depth = len(self.classifier.backbone.learning)
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.parameters.items():
            rate = self.config.head_learning_rate
            if name.startswith("backbone.learning."):
                above = depth - 1 - int(name.split(".")[2])
                rate = self.config.learning_rate * self.config.layer_decay**above
            decay = self.config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
        return torch.optim.AdamW(
            [{"params": p, "lr": rate, "base": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]
        )

    def _set_rates(self) -> float:
        """Linear warm-up, then linear descent to nothing."""
        warmup = max(1, round(self.config.warmup * self.total))
        factor = min((self.number + 1) / warmup, max(0.0, (self.total - self.number) / max(1, self.total - warmup)))
        for group in self.optimizer.param_groups:
            group["lr"] = group["base"] * factor
        return self.config.learning_rate * factor

    def steps(self) -> Iterator[Step]:
        """Train from where it stands to the last epoch; the last step of each epoch carries the dev score.

        Afterwards the classifier has the weights of the best epoch.
        """
        while self.epoch < self.config.epochs:
            torch.manual_seed(self.config.seed * 1_000_003 + self.epoch)
            batches = list(self._batches(self.epoch))
            for place, batch in enumerate(batches, 1):
                rate = self._set_rates()
                loss = self._learn(batch)
                self.number += 1
                step = Step(self.number, self.total, self.epoch + 1, loss, rate)
                if place < len(batches):
                    yield step
            self.epoch += 1
            score, is_best = self._score()
            yield Step(step.number, step.total, step.epoch, step.loss, step.learning_rate, score, is_best)
        self.classifier.load_trained(self.best)
        self.classifier.eval()

    def _learn(self, batch: NDArray[np.int64]) -> float:
        chosen, owner = self.windows.of(batch)
        device = self.classifier.device
        values = torch.from_numpy(self.train.matrix.values[batch]).to(device)
        mask = torch.from_numpy(self.train.matrix.mask[batch]).to(device)
        states, attention = self.classifier.read([self.windows.ids[w] for w in chosen])
        self.classifier.train()
        with self.classifier.autocast():
            logits = self.classifier(states, attention, torch.from_numpy(owner).to(device), len(batch))
        loss = facet_loss(
            logits.float(), values, mask, self.classifier.schema, self.positive_weight,
            self.config.negative_focus, self.config.negative_margin,
        )  # fmt: skip
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.config.average:
            # short memory at first, or the start would stay in the average for the whole of a short run
            keep = min(self.config.average, (1 + self.number) / (10 + self.number))
            for name, value in self.parameters.items():
                self.average[name].lerp_(value.detach(), 1 - keep)
        return float(loss.detach())

    def _score(self) -> tuple[float, bool]:
        """The dev score of the averaged weights (the last ones without averaging), kept if it is the best so far."""
        last = {name: value.detach().clone() for name, value in self.parameters.items()}
        candidate = self.average if self.config.average else last
        self.classifier.load_trained(candidate)
        score = macro_average_precision(self.dev_logits(), self.dev.matrix)
        is_best = score > self.best_score
        if is_best:
            self.best_score = score
            self.best = {name: value.clone() for name, value in candidate.items()}
        self.classifier.load_trained(last)
        return score, is_best

    def dev_logits(self) -> NDArray[np.float32]:
        return self.classifier.head_logits(self.classifier.pooled(self.dev_windows, len(self.dev)))

    def state(self) -> dict[str, Tensor]:
        """All that a restored training needs, as flat tensors."""
        tensors = {f"last.{name}": value.detach() for name, value in self.parameters.items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for number, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in values.items()}
        tensors["progress"] = torch.tensor([self.epoch, self.number, self.best_score], dtype=torch.float64)
        return {name: value.clone().contiguous() for name, value in tensors.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        def named(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

        self.classifier.load_trained(named("last."))
        device = self.classifier.device
        self.average = {name: value.to(device) for name, value in named("average.").items()}
        self.best = named("best.")
        state = self.optimizer.state_dict()
        values: dict[int, dict[str, Any]] = {}
        for name, value in named("optimizer.").items():
            number, _, part = name.partition(".")
            values.setdefault(int(number), {})[part] = value
        self.optimizer.load_state_dict({"state": values, "param_groups": state["param_groups"]})
        epoch, number, self.best_score = tensors["progress"].tolist()
        self.epoch, self.number = int(epoch), int(number)


def _positive_weight(targets: LabelMatrix, power: float) -> Tensor:
    """(negatives / positives) ** power of each label, at most 10."""
    positives = (targets.values * targets.mask).sum(axis=0)
    negatives = ((1 - targets.values) * targets.mask).sum(axis=0)
    ratio = np.where(positives > 0, negatives / np.maximum(positives, 1), 1.0)
    return torch.from_numpy(np.clip(ratio**power, 1.0, 10.0).astype(np.float32))
