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
from numpy.typing import NDArray

from framing.dataset import Dataset
from framing.errors import FramingError
from framing.inference import graph
from framing.inference.agreement import Agreement, Refused, compare
from framing.inference.compiled import EMBEDDINGS, FILES, HEADS, MODEL, TOKENIZER, runtime
from framing.inference.embeddings import save_embeddings
from framing.inference.rounding import Rounded
from framing.inference.tagger import FORMAT, FORMAT_COMPILED, Tagger, model_facts, save_decisions
from framing.model.classifier import Classifier
from framing.model.sentences import read_closely

Precision = Literal["int8", "bf16", "float"]
PRECISIONS: tuple[Precision, ...] = ("int8", "bf16", "float")
_SAMPLES = 256
_LIMITS = (0.018, 0.0145, 0.012)
"""Relative errors up to which a layer is taken in 8 bits: where an export is refused, fewer layers are."""


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
    trained = _read(tagger, dev)
    beside = folder.with_name(folder.name + ".part")
    attempts = [(p, limit) for p in precisions for limit in (_LIMITS if p == "int8" else (0.0,))]
    rounded = _round(classifier, texts, reporter) if "int8" in precisions else {}
    try:
        for precision, limit in attempts:
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(parents=True)
            _write(tagger, classifier, beside, precision, rounded=rounded, limit=limit, reporter=reporter)
            reporter.say(f"tagging the dev paragraphs as exported in {precision}")
            exported = _read(Tagger.load(beside), dev)
            agreement = compare(trained[0], exported[0], dev, tagger.schema, tagger.calibration)
            refusal = agreement.refusal()
            if not refusal and tagger.quick_calibration is not None:
                quick = compare(trained[1], exported[1], dev, tagger.schema, tagger.quick_calibration).refusal()
                refusal = f"with --quick, {quick}" if quick else ""
            if not refusal:
                _record(agreement, beside)
                shutil.rmtree(folder, ignore_errors=True)
                beside.rename(folder)
                return Export(folder, precision, agreement, sum(f.stat().st_size for f in folder.iterdir()))
            reporter.say(f"refused: {refusal}")
        raise Refused(precision, agreement, refusal)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _read(tagger: Tagger, dev: Dataset) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits of the dev part read as closely as the tagger reads, and as a whole only."""
    whole = tagger.engine.logits(dev.texts)
    return read_closely(tagger.engine.logits, dev.texts, tagger.sentence_weight, whole), whole


def _record(agreement: Agreement, folder: Path) -> None:
    facts = json.loads((folder / "tagger.json").read_text())
    facts["engine"]["agreement"] = agreement.to_json()
    (folder / "tagger.json").write_text(json.dumps(facts, indent=1))


def _trace(classifier: Classifier) -> tuple[Any, graph.Encoder]:
    """The encoder's graph, and what it was traced from; raises FramingError if it cannot be traced."""
    encoder = graph.Encoder(classifier.backbone).eval()
    try:
        return graph.trace(encoder, classifier.backbone.hidden_size), encoder
    except Exception as error:  # tracing fails in as many ways as there are encoders
        first = str(error).strip().splitlines()[0][:160]
        finding = f"this encoder cannot be exported ({first})"
        raise FramingError(f"encoder {classifier.checkpoint.folder}", finding, "use it as trained") from error


def _round(classifier: Classifier, texts: Sequence[str], reporter: Reporter) -> dict[str, Rounded]:
    model, encoder = _trace(classifier)
    inputs = graph.layer_inputs(encoder, _samples(classifier, texts))
    reporter.say("rounding layers to 8 bits (a minute or two)")
    return graph.round_products(model, inputs, lambda done, total: reporter.progress(done, total, "rounding"))


def _write(
    tagger: Tagger,
    classifier: Classifier,
    folder: Path,
    precision: Precision,
    *,
    rounded: dict[str, Rounded],
    limit: float,
    reporter: Reporter,
) -> None:
    """All files of the exported tagger; `tagger.json` names them with their sizes."""
    model, _ = _trace(classifier)
    counts: dict[str, Any] = {}
    if precision == "int8":
        done, total = graph.use_rounded(model, rounded, limit)
        reporter.say(f"{done} of {total} matrix products in 8 bits; the others would lose more than {limit:.1%}")
        counts = {"products": total, "products_in_8_bits": done}
    runtime().save_model(model, folder / MODEL, compress_to_fp16=precision == "bf16")
    embeddings = graph.word_embeddings(classifier.backbone).float().numpy()
    form = save_embeddings(embeddings, folder / EMBEDDINGS, exact=precision == "float")
    heads = list(classifier.heads)
    weight, bias = (torch.cat([getattr(head, name) for head in heads]).detach().numpy() for name in ("weight", "bias"))
    np.savez(folder / HEADS, weight=weight, bias=bias)
    _save_tokenizer(classifier, folder / TOKENIZER)
    save_decisions(tagger, folder)
    engine = {
        "format": FORMAT_COMPILED,
        "kind": "openvino",
        "precision": precision,
        "embeddings": form,
        **counts,
        "files": {name: (folder / name).stat().st_size for name in FILES},
    }
    facts = {
        "format": FORMAT,
        "name": tagger.name,
        "schema": tagger.schema.fingerprint,
        "model": model_facts(tagger, classifier.config),
        "backbone": classifier.checkpoint.fingerprint,
        "engine": engine,
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
