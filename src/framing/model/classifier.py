"""One encoder with a head for each facet of the schema; it starts from what the schema says of its labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from framing.config import BundledConfig, HubConfig
from framing.model.backbone import Backbone, find_checkpoint, pool
from framing.model.dropout import ByteDropout
from framing.model.tokenization import Tokenization, Windows, batches_by_length
from framing.schema import Label, Schema

_START_SCALE = 12.0
"""How far apart a head's start puts texts: the logit of a text that is as near as can be."""

_READ_TOKENS = {"cpu": 1536}
"""Tokens of a batch that is only read: on two cores 8,192 took 1.8 times as long and .75 GB more."""

TrunkStates = Callable[[Sequence[NDArray[np.int64]]], tuple[Tensor, Tensor]]
"""Windows of token ids -> the trunk's states [windows x longest x hidden] and their mask, computed or kept."""


class Classifier(nn.Module):
    """Texts -> logits [texts x labels], columns as in `schema.labels`."""

    def __init__(self, schema: Schema, config: BundledConfig | HubConfig) -> None:
        super().__init__()
        self.schema, self.config = schema, config
        self.checkpoint = find_checkpoint(config)
        self.tokenization = Tokenization(self.checkpoint.folder, config.prefix, config.max_tokens)
        self.backbone = Backbone(self.checkpoint, config.freeze_layers, config.dropout)
        self.dropout = ByteDropout(config.dropout)
        hidden = self.backbone.hidden_size
        # a list, since a facet may be called `type` or `keys`, which a ModuleDict does not take
        self.heads = nn.ModuleList([nn.Linear(hidden, len(facet.labels)) for facet in schema.facets])
        self.device = torch.device("cpu")
        self.bf16 = False
        self.kept: TrunkStates | None = None
        """What gives the trunk's states once a training has kept them."""
        self.eval()

    # ---- computing ---------------------------------------------------------------------------------------------

    def use_fastest_precision(self, wanted: str = "auto") -> None:
        """bf16 where the machine multiplies it in hardware (`auto`), or what is wanted."""
        self.bf16 = wanted == "bf16" or (wanted == "auto" and _has_bf16(self.device))

    def move(self, device: torch.device) -> None:
        self.to(device)
        self.device = device

    def autocast(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def forward(self, states: Tensor, mask: Tensor, owner: Tensor, texts: int) -> Tensor:
        """States of the trunk [windows x tokens x hidden] and each window's text -> logits [texts x labels]."""
        if self.training and self.bf16 and states.is_floating_point():
            # What the layers add to each other in bf16 as well: a tenth of a step less than turning it to and fro.
            states = states.bfloat16()
        pooled = self.dropout(pool(self.backbone.top(states, mask).float(), mask, owner, texts))
        return torch.cat([head(pooled) for head in self.heads], dim=1)

    def padded(self, windows: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
        """ids and mask, both [windows x longest]."""
        longest = max(len(window) for window in windows)
        ids = torch.full((len(windows), longest), self.tokenization.pad_id)
        mask = torch.zeros((len(windows), longest), dtype=torch.int64)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = torch.from_numpy(window)
            mask[row, : len(window)] = 1
        return ids.to(self.device), mask.to(self.device)

    def pooled(self, windows: Windows, texts: int) -> NDArray[np.float32]:
        """Mean of the last layer over each text's tokens, [texts x hidden]."""
        sums = np.zeros((texts, self.backbone.hidden_size), np.float32)
        counts = np.zeros(texts, np.float32)
        lengths = np.array([len(window) for window in windows.ids], np.int64)
        self.eval()
        with torch.inference_mode():
            for batch in batches_by_length(lengths, _READ_TOKENS.get(self.device.type, 16384)):
                states, mask = self.read([windows.ids[w] for w in batch])
                with self.autocast():
                    states = self.backbone.top(states, mask)
                summed = (states.float() * mask[:, :, None]).sum(1)
                np.add.at(sums, windows.owner[batch], summed.cpu().numpy())
                np.add.at(counts, windows.owner[batch], lengths[batch])
        return np.asarray(sums / np.maximum(counts, 1)[:, None], np.float32)

    def trunk_states(self, windows: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
        """The trunk's states of these windows, computed: [windows x longest x hidden], and their mask."""
        ids, mask = self.padded(windows)
        with torch.no_grad(), self.autocast():
            return self.backbone.trunk(ids, mask), mask

    @property
    def read(self) -> TrunkStates:
        """Where states of the trunk come from: kept ones, or computed."""
        return self.kept or self.trunk_states

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[texts x hidden], not normalised."""
        return self.pooled(self.tokenization.windows(texts), len(texts))

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The engine's one method: [texts x labels]."""
        return self.head_logits(self.embed(texts))

    def head_logits(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        """[texts x hidden] -> [texts x labels]."""
        vectors = torch.from_numpy(pooled).to(self.device)
        with torch.inference_mode():
            return torch.cat([head(vectors) for head in self.heads], dim=1).cpu().numpy()

    # ---- starting from the schema --------------------------------------------------------------------------------

    def start_from_schema(self) -> None:
        """Heads whose rows are the embeddings of what the schema says of each label.

        Label tuning (Mueller, Perez-Torro and Franco-Salvador 2022) and label-description training (Gao, Ghosh and
        Gimpel 2023) show that a classifier may start from label texts. A label's vector is the mean of the unit vectors
        of its name with definition and of its examples; what all labels of a facet share is taken away, since it tells
        none of them from another, and the text's vector enters with that mean taken away for the same reason.
        """
        described = [label_texts(label) for label in self.schema.labels]
        flat = self.embed([text for texts in described for text in texts])
        norms = np.linalg.norm(flat, axis=1, keepdims=True)
        flat /= norms
        ends = np.cumsum([len(texts) for texts in described])
        vectors = np.stack([part.mean(axis=0) for part in np.split(flat, ends[:-1])])
        for facet, head in zip(self.schema.facets, self.heads, strict=True):
            rows = vectors[self.schema.columns(facet.id)]
            # A label that is alone in its facet is told from those of the others.
            centre = (rows if len(rows) > 1 else vectors).mean(axis=0)
            direction = rows - centre
            direction /= np.linalg.norm(direction, axis=1, keepdims=True) + 1e-9
            assert isinstance(head, nn.Linear)
            with torch.no_grad():
                head.weight.copy_(torch.from_numpy(direction * (_START_SCALE / norms.mean())))
                head.bias.copy_(torch.from_numpy(-(direction @ centre) * _START_SCALE))

    # ---- saving ----------------------------------------------------------------------------------------------------

    def trained_state(self) -> dict[str, Tensor]:
        """What training changes: the layers above the trunk and the heads."""
        learning = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name: value.detach() for name, value in self.state_dict().items() if name in learning}

    def load_trained(self, state: dict[str, Tensor]) -> None:
        missing = set(self.trained_state()) ^ set(state)
        if missing:
            raise ValueError(f"weights that do not fit: {sorted(missing)[:3]}")
        self.load_state_dict(state, strict=False)


def label_texts(label: Label) -> list[str]:
    """What stands for a label: its name with its definition, and each of its examples."""
    return [f"{label.name}. {label.definition}", *label.examples]


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.backends.cpu.get_cpu_capability() if device.type == "cpu" else ""
    return "AVX512" in capabilities and bool(torch.cpu._is_avx512_bf16_supported())
