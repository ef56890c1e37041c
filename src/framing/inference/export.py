"""A trained tagger into a folder of its own that needs neither torch nor the encoder's checkpoint, and its proof."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch

from framing.dataset import Dataset
from framing.errors import FramingError
from framing.inference import graph
from framing.inference.agreement import Agreement, Refused, compare
from framing.inference.compiled import EMBEDDINGS, FILES, HEADS, MODEL, TOKENIZER, runtime
from framing.inference.embeddings import save_embeddings
from framing.inference.tagger import ABSTENTION, FORMAT, FORMAT_COMPILED, Tagger
from framing.model.classifier import Classifier
from framing.schema_file import schema_to_yaml

Precision = Literal["int8", "bf16", "float"]
PRECISIONS: tuple[Precision, ...] = ("int8", "bf16", "float")
_SAMPLES = 256


class Reporter(Protocol):
    def say(self, text: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Export:
    """What an export left: the folder, its precision, how well it agrees, how large it is."""

    folder: Path
    precision: Precision
    agreement: Agreement
    bytes: int


def export_tagger(
    tagger: Tagger,
    folder: Path,
    precisions: Sequence[Precision],
    *,
    texts: Sequence[str],
    dev: Dataset,
    reporter: Reporter,
) -> Export:
    """Export with the first of the precisions that agrees with the tagger on dev; raises Refused if none does.

    `texts` are examples of what the tagger reads (training texts): 8-bit weights are chosen by them. The folder is
    written beside its place and renamed.
    """
    classifier = tagger.engine
    if not isinstance(classifier, Classifier):
        kind = type(classifier).__name__.lower()
        cure = "give a tagger that framing trained on an encoder; the baseline is quick as it is"
        raise FramingError(f"tagger {tagger.name!r}", f"a {kind} is nothing to export", cure)
    reporter.say(f"tagging {len(dev)} dev paragraphs as trained")
    trained = classifier.logits(dev.texts)
    beside = folder.with_name(folder.name + ".part")
    try:
        for precision in precisions:
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(parents=True)
            _write(tagger, classifier, beside, precision, texts=texts, reporter=reporter)
            reporter.say("tagging them as exported")
            exported = Tagger.load(beside).engine.logits(dev.texts)
            agreement = compare(trained, exported, dev, tagger.schema, tagger.calibration)
            if agreement.refusal() and precision != precisions[-1]:
                reporter.say(f"{precision} refused: {agreement.refusal()}; going on with a finer precision")
                continue
            if agreement.refusal():
                raise Refused(precision, agreement)
            facts = json.loads((beside / "tagger.json").read_text())
            facts["engine"]["agreement"] = agreement.to_json()
            (beside / "tagger.json").write_text(json.dumps(facts, indent=1))
            shutil.rmtree(folder, ignore_errors=True)
            beside.rename(folder)
            return Export(folder, precision, agreement, sum(f.stat().st_size for f in folder.iterdir()))
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    raise FramingError("--precision", "none was given", f"choose of {', '.join(PRECISIONS)}")


def _write(
    tagger: Tagger,
    classifier: Classifier,
    folder: Path,
    precision: Precision,
    *,
    texts: Sequence[str],
    reporter: Reporter,
) -> None:
    """All files of the exported tagger; `tagger.json` names them with their sizes."""
    reporter.say(f"export as {precision}: tracing the encoder")
    encoder = graph.Encoder(classifier.backbone).eval()
    openvino = runtime()
    try:
        model = graph.trace(encoder, classifier.backbone.hidden_size)
    except Exception as error:  # tracing fails in as many ways as there are encoders
        first = str(error).strip().splitlines()[0][:160]
        raise FramingError(f"tagger {tagger.name!r}", f"its encoder cannot be exported ({first})", "") from error
    rounded: dict[str, Any] = {}
    if precision == "int8":
        done, total = graph.round_products(
            model,
            graph.layer_inputs(encoder, _samples(classifier, texts)),
            lambda done, total: reporter.progress(done, total, "rounding layers to 8 bits"),
        )
        reporter.say(f"{done} of {total} matrix products in 8 bits; the others would lose too much")
        rounded = {"products": total, "products_in_8_bits": done}
    openvino.save_model(model, folder / MODEL, compress_to_fp16=precision == "bf16")
    embeddings = graph.word_embeddings(classifier.backbone).float().numpy()
    form = save_embeddings(embeddings, folder / EMBEDDINGS, exact=precision == "float")
    heads = list(classifier.heads)
    weight, bias = (torch.cat([getattr(head, name) for head in heads]).detach().numpy() for name in ("weight", "bias"))
    np.savez(folder / HEADS, weight=weight, bias=bias)
    _save_tokenizer(classifier, folder / TOKENIZER)
    (folder / "schema.yaml").write_text(schema_to_yaml(tagger.schema), encoding="utf-8")
    (folder / "calibration.json").write_text(tagger.calibration.to_json())
    if tagger.track is not None:
        (folder / ABSTENTION).write_text(tagger.track.to_json())
    facts = {
        "format": FORMAT,
        "name": tagger.name,
        "schema": tagger.schema.fingerprint,
        "model": classifier.config.model_dump(mode="json"),
        "backbone": classifier.checkpoint.fingerprint,
        "engine": {
            "format": FORMAT_COMPILED,
            "kind": "openvino",
            "precision": precision,
            "embeddings": form,
            **rounded,
            "files": {name: (folder / name).stat().st_size for name in FILES},
        },
    }
    (folder / "tagger.json").write_text(json.dumps(facts, indent=1))


def _samples(classifier: Classifier, texts: Sequence[str]) -> list[torch.Tensor]:
    """Word vectors [1 x tokens x hidden] of the first windows of some texts, drawn alike each time."""
    order = np.random.default_rng(0).permutation(len(texts))[:_SAMPLES]
    windows = classifier.tokenization.windows([texts[number] for number in order]).ids
    table = graph.word_embeddings(classifier.backbone)
    return [table[torch.from_numpy(window)][None].float() for window in windows]


def _save_tokenizer(classifier: Classifier, path: Path) -> None:
    tokenizer = getattr(classifier.tokenization.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        finding = "its tokenizer has no form that the tokenizers library reads"
        raise FramingError(f"encoder {classifier.checkpoint.folder}", finding, "use an encoder with a fast tokenizer")
    tokenizer.save(str(path), pretty=False)
