"""The pretrained encoder: found, loaded, and cut into a frozen trunk and layers that learn."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from framing.config import BundledConfig, HubConfig
from framing.errors import FramingError
from framing.model.bundled import bundled_checkpoint
from framing.model.dropout import use_cheap_dropout

# oneDNN keeps what it compiles for each shape of batch, of which a training has thousands; with its own limit of 1,024
# of them the memory of a training grew to 7 GB. It reads this at its first product.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

ATTENTION = "eager"
"""Plain matrix products: for paragraphs the fused kernel of torch 2.13 learns three times slower on a CPU."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A local folder with config, weights and tokenizer, and twelve hex digits over its weights."""

    folder: Path
    fingerprint: str


def find_checkpoint(config: BundledConfig | HubConfig) -> Checkpoint:
    """The encoder's files on this machine; `hub` fetches them where there is a network.

    Raises FramingError if they are not to be had.
    """
    folder = bundled_checkpoint() if config.kind == "bundled" else _hub_folder(config)
    return Checkpoint(folder, _fingerprint(folder))


def _hub_folder(config: HubConfig) -> Path:
    if Path(config.name).is_dir():
        return Path(config.name)
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.safetensors", "*.model", "*.txt"]  # no pickled weights
    try:
        return Path(snapshot_download(config.name, revision=config.revision, allow_patterns=wanted))
    except Exception as error:  # the hub raises a dozen kinds; all mean that the encoder is not to be had
        first = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        cure = "check the name and the network, give a local folder, or use model=bundled"
        raise FramingError("config model.name", f"cannot get {config.name!r} from the hub ({first})", cure) from None


def _fingerprint(folder: Path) -> str:
    """Over sizes, names and the first and last megabyte of the weights: reading half a gigabyte twice says no more."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}".encode())
        with file.open("rb") as handle:
            digest.update(handle.read(1 << 20))
            handle.seek(max(0, size - (1 << 20)))
            digest.update(handle.read())
    return digest.hexdigest()[:12]


_DIVISIBLE = frozenset({"bert", "roberta", "xlm-roberta", "camembert"})
"""Encoders whose layers take states and an additive mask and give states, so that they can be run one by one."""


class Backbone(nn.Module):
    """Token ids -> pooled vectors, in two steps: `trunk` (frozen, so its states can be kept) and `top` (learns).

    Word embeddings are always in the trunk. Encoders whose layers want more than states and mask are all top.
    """

    def __init__(self, checkpoint: Checkpoint, freeze_layers: int, dropout: float) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModel
        from transformers.utils import logging

        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        config = AutoConfig.from_pretrained(checkpoint.folder, attn_implementation=ATTENTION)
        # Dropout of attention would draw a random number for each pair of tokens: on two cores a quarter of a step.
        # Dropout of the states is kept.
        for name, value in (("hidden_dropout_prob", dropout), ("attention_probs_dropout_prob", 0.0)):
            if hasattr(config, name):
                setattr(config, name, value)
        try:
            encoder = AutoModel.from_pretrained(
                checkpoint.folder, config=config, dtype=torch.float32, use_safetensors=True
            )
        except OSError as error:
            finding = f"cannot be loaded ({str(error).strip().splitlines()[0][:160]})"
            cure = "choose an encoder that is published as safetensors; pickled weights are not read"
            raise FramingError(f"encoder {checkpoint.folder}", finding, cure) from None
        self.hidden_size: int = encoder.config.hidden_size
        layers: Any = getattr(getattr(encoder, "encoder", None), "layer", None)
        self.divisible = config.model_type in _DIVISIBLE
        if self.divisible:
            if freeze_layers > len(layers):
                raise FramingError("config model.freeze_layers", f"only {len(layers)} layers", "choose less")
            self.embeddings = encoder.embeddings
            self.frozen = nn.ModuleList(layers[:freeze_layers])
            self.learning = nn.ModuleList(layers[freeze_layers:])
        else:
            if freeze_layers:
                finding = f"the layers of a {encoder.config.model_type} encoder cannot be told apart here"
                raise FramingError("config model.freeze_layers", finding, "choose 0")
            self.embeddings = encoder.get_input_embeddings()
            self.frozen, self.learning = nn.ModuleList(), nn.ModuleList([encoder])
        self.embeddings.requires_grad_(False)
        self.frozen.requires_grad_(False)
        use_cheap_dropout(self.learning)

    def trunk(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids, mask [windows x tokens] -> states [windows x tokens x hidden] below the layers that learn."""
        if not self.divisible:
            return ids
        with torch.no_grad():
            self.frozen.eval()
            self.embeddings.eval()
            states: Tensor = self.embeddings(input_ids=ids)
            for layer in self.frozen:
                states = layer(states, attention_mask=_attention(mask))
        return states

    def top(self, states: Tensor, mask: Tensor) -> Tensor:
        """States of the trunk -> states of the last layer."""
        if not self.divisible:
            output: Tensor = self.learning[0](input_ids=states, attention_mask=mask).last_hidden_state
            return output
        attention = _attention(mask)
        for layer in self.learning:
            states = layer(states, attention_mask=attention)
        return states


def _attention(mask: Tensor) -> Tensor | None:
    """mask [windows x tokens] -> what is added to a layer's attention; None where nothing is padded."""
    if bool(mask.all()):
        return None
    return torch.zeros(mask.shape, device=mask.device).masked_fill(mask == 0, -1e9)[:, None, None, :]


def pool(states: Tensor, mask: Tensor, owner: Tensor, texts: int) -> Tensor:
    """Mean over a text's tokens, of all its windows: [windows x tokens x hidden] -> [texts x hidden]."""
    weights = mask.to(states.dtype)
    sums = (states * weights[:, :, None]).sum(1)
    total = torch.zeros(texts, states.shape[2], dtype=sums.dtype, device=sums.device).index_add(0, owner, sums)
    count = torch.zeros(texts, dtype=sums.dtype, device=sums.device).index_add(0, owner, weights.sum(1))
    return total / count[:, None]
