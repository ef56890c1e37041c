"""Tagging with framing beside tagging with the usual tools: the same weights, rows and cores, in one run.

    .venv/bin/pip install setfit sentence-transformers                  for two of the rows; they are skipped without
    .venv/bin/python bench/inference.py                                 the champion of runs/, 256 paragraphs of dev
    .venv/bin/python bench/inference.py --model FOLDER --rows 512 --memory

Every row of the table is a process of its own. Peers get the trained encoder with its heads as one checkpoint. They cut
texts at the tagger's window; framing reads them to their end. `--memory` tags 1,000 and 50,000 paragraphs too.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

PIPELINE_BATCHES = (1, 8, 32)
Tag = Callable[[Sequence[str]], Any]


# ---- one row: a process of its own -----------------------------------------------------------------------------


def framing_tagger(folder: Path) -> Tag:
    from framing.inference.tagger import Tagger

    return Tagger.load(folder).quickly().logits


def framing_closely(folder: Path) -> Tag:
    from framing.inference.tagger import Tagger

    return Tagger.load(folder).logits


def pipeline(folder: Path, batch: int) -> Tag:
    """transformers' text-classification pipeline; its stock BERT class pools the first token, so the model is ours."""
    import torch
    from transformers import AutoTokenizer, BertModel, BertPreTrainedModel
    from transformers import pipeline as build
    from transformers.modeling_outputs import SequenceClassifierOutput

    class MeanPooled(BertPreTrainedModel):  # type: ignore[no-untyped-call]
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.bert = BertModel(config, add_pooling_layer=False)
            self.classifier = torch.nn.Linear(config.hidden_size, config.num_labels)
            self.post_init()  # type: ignore[no-untyped-call]

        def forward(self, input_ids: Any, attention_mask: Any, **rest: Any) -> SequenceClassifierOutput:
            states = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            weights = attention_mask[:, :, None].to(states.dtype)
            return SequenceClassifierOutput(logits=self.classifier((states * weights).sum(1) / weights.sum(1)))

    model: Any = MeanPooled.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    classify = build("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    facts = json.loads((folder / "peer.json").read_text())
    order = {model.config.id2label[n]: n for n in range(model.config.num_labels)}

    def tag(texts: Sequence[str]) -> Any:
        found: Any = classify(
            [facts["prefix"] + text for text in texts],
            batch_size=batch,
            top_k=None,
            function_to_apply="none",
            truncation=True,
            max_length=facts["max_tokens"],
        )
        return np.array([[s["score"] for s in sorted(row, key=lambda s: order[s["label"]])] for row in found])

    return tag


def _sentence_encoder(folder: Path) -> tuple[Any, Any, dict[str, Any]]:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    facts = json.loads((folder / "peer.json").read_text())
    words: Any = Transformer(str(folder), max_seq_length=facts["max_tokens"])
    encoder = SentenceTransformer(modules=[words, Pooling(words.get_word_embedding_dimension(), "mean")], device="cpu")
    with np.load(folder / "heads.npz") as heads:
        weight, bias = heads["weight"], heads["bias"]
    # a fitted head of scikit-learn with the trained rows in it
    head = OneVsRestClassifier(LogisticRegression())
    start = np.eye(len(weight), dtype=int)
    head.fit(np.random.default_rng(0).normal(size=(len(start), weight.shape[1])), start)
    for estimator, row, offset in zip(head.estimators_, weight, bias, strict=True):
        estimator.coef_, estimator.intercept_ = row[None].astype(float), np.array([float(offset)])
    return encoder, head, facts


def sentence_transformers(folder: Path) -> Tag:
    encoder, head, facts = _sentence_encoder(folder)

    def tag(texts: Sequence[str]) -> Any:
        return head.decision_function(encoder.encode([facts["prefix"] + text for text in texts], batch_size=32))

    return tag


def setfit(folder: Path) -> Tag:
    from setfit import SetFitModel

    encoder, head, facts = _sentence_encoder(folder)
    model = SetFitModel(model_body=encoder, model_head=head, multi_target_strategy="one-vs-rest")

    def tag(texts: Sequence[str]) -> Any:
        return model.predict([facts["prefix"] + text for text in texts], batch_size=32, use_labels=False)

    return tag


def build(kind: str, folder: Path) -> Tag:
    if kind.startswith("pipeline"):
        return pipeline(folder, int(kind.rpartition(" ")[2]))
    if kind.endswith("closely"):
        return framing_closely(folder)
    return {"sentence-transformers": sentence_transformers, "setfit": setfit}.get(kind, framing_tagger)(folder)


def one_row(kind: str, folder: Path, rows: Path, count: int, output: Path) -> None:
    """Tag the rows, measured; or the first alone (count 1); or so many, for the memory they take."""
    texts = json.loads(rows.read_text())
    if count > 1:
        _tag_many(folder, texts, count)
        print(json.dumps({"peak": peak_memory()}))
        return
    tag = build(kind, folder)
    if count == 1:
        tag(texts[:1])
        print("tagged", flush=True)
        return
    seconds = work = float("inf")
    tag(texts[:32])
    for _ in range(2):  # the better of two: others may use the machine too
        started, worked = time.perf_counter(), time.process_time()
        np.save(output, np.asarray(tag(texts), np.float32))
        seconds = min(seconds, time.perf_counter() - started)
        work = min(work, time.process_time() - worked)
    print(json.dumps({"seconds": seconds, "work": work, "peak": peak_memory()}))


def peak_memory() -> float:
    """Megabytes that this process has held at most (what `getrusage` says includes its parent's)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _tag_many(folder: Path, texts: list[str], count: int) -> None:
    """Tag a stream of paragraphs, hardly two alike, of every length."""
    from framing.inference.tagger import Tagger
    from framing.records import Paragraph

    rng = random.Random(0)

    def many() -> Any:
        for number in range(count):
            words = rng.choice(texts).split()
            rng.shuffle(words)
            text = " ".join(words[: rng.randint(1, len(words))])
            yield Paragraph(f"d:{number}", "d", number, 0, len(text), text, "en")

    assert sum(1 for _ in Tagger.load(folder).tag(many())) == count


def matrix_rate() -> float:
    """8-bit operations a second of both cores: products of 2048 x 2048 matrices in the runtime that taggers run in."""
    from framing.inference.compiled import runtime

    openvino = runtime()
    from openvino import opset13 as ops

    size, repeats = 2048, 8
    rng = np.random.default_rng(0)
    source = ops.parameter([-1, size], np.float32, name="x")
    value: Any = source
    bounds = [ops.constant(np.float32(bound)) for bound in (-1, 1)]
    for _ in range(repeats):
        whole = ops.fake_quantize(value, *bounds, *bounds, 256)
        weights = ops.convert(ops.constant(rng.integers(-127, 127, (size, size), np.int8)), "f32")
        value = ops.matmul(whole, ops.multiply(weights, ops.constant(np.float32(1e-4))), False, True)
    compiled = openvino.Core().compile_model(openvino.Model([value], [source]), "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    data = {0: rng.normal(size=(size, size)).astype(np.float32)}
    request.infer(data)
    best = min(_timed(lambda: request.infer(data)) for _ in range(5))
    return 2 * size**3 * repeats / best


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# ---- preparing -------------------------------------------------------------------------------------------------


def dev_rows(count: int) -> list[str]:
    from framing.cli.compose import compose_values, conf_folder
    from framing.config import check_config
    from framing.experiment import load_dataset
    from framing.schema_file import read_schema
    from framing.splits import read_split

    config = check_config(compose_values(conf_folder(), []))
    dataset = load_dataset(config, read_schema(config.data.schema_file))
    assert config.data.splits is not None
    texts = dataset.of_documents(read_split(config.data.splits, dataset).dev).texts
    order = np.random.default_rng(0).permutation(len(texts))[:count]
    return [texts[number] for number in order]


def write_peer(folder: Path, target: Path) -> None:
    """The trained tagger as one checkpoint for the others: encoder, heads in one layer, tokenizer."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModel

    from framing.inference.tagger import Tagger

    classifier: Any = Tagger.load(folder).engine
    encoder: Any = AutoModel.from_pretrained(classifier.checkpoint.folder, dtype=torch.float32)
    layers = [*classifier.backbone.frozen, *classifier.backbone.learning]
    for own, trained in zip(encoder.encoder.layer, layers, strict=True):
        own.load_state_dict(trained.state_dict())
    weight = torch.cat([head.weight for head in classifier.heads]).detach()
    bias = torch.cat([head.bias for head in classifier.heads]).detach()
    state = {f"bert.{name}": value.contiguous() for name, value in encoder.state_dict().items() if "pooler" not in name}
    state |= {"classifier.weight": weight, "classifier.bias": bias}
    target.mkdir(parents=True, exist_ok=True)
    config = encoder.config
    config.id2label = {number: label.ref for number, label in enumerate(classifier.schema.labels)}
    config.label2id = {label: number for number, label in config.id2label.items()}
    config.problem_type = "multi_label_classification"
    config.save_pretrained(target)
    save_file(state, target / "model.safetensors", metadata={"format": "pt"})
    classifier.tokenization.tokenizer.save_pretrained(target)
    np.savez(target / "heads.npz", weight=weight.numpy(), bias=bias.numpy())
    facts = {"prefix": classifier.config.prefix, "max_tokens": classifier.config.max_tokens}
    (target / "peer.json").write_text(json.dumps(facts))


def operations_of(folder: Path, texts: list[str]) -> float:
    """Multiplications and additions of the linear layers of an exported tagger for these texts."""
    from framing.inference.tagger import Tagger

    engine: Any = Tagger.load(folder).engine
    return 2.0 * weights_in(folder) * sum(len(window) for window in engine.tokenization.windows(texts).ids)


def weights_in(folder: Path) -> int:
    """Numbers in the weights of the linear layers of an exported graph."""
    from framing.inference.compiled import runtime

    total = 0
    for node in runtime().Core().read_model(folder / "model.xml").get_ordered_ops():
        if node.get_type_name() == "Constant" and len(node.get_output_shape(0)) == 2:
            rows, columns = node.get_output_shape(0)
            total += rows * columns if min(rows, columns) > 1 else 0
    return total


# ---- the table -------------------------------------------------------------------------------------------------


def child(kind: str, folder: Path, rows: Path, output: Path, count: int = 0) -> dict[str, float]:
    command = [sys.executable, __file__, "--row", kind, "--model", str(folder), "--texts", str(rows)]
    command += ["--count", str(count), "--output", str(output)]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{kind}: {done.stderr[-2000:]}")
    seconds = time.perf_counter() - started
    return {"seconds": seconds} if count == 1 else json.loads(done.stdout.splitlines()[-1])


def first_tag(folder: Path, text: str) -> float:
    """Seconds from starting `framing predict` to its first line."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "one.txt"
        file.write_text(text, encoding="utf-8")
        started = time.perf_counter()
        command = [sys.executable, "-m", "framing.cli.main", "predict", "--model", str(folder), str(file)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - started
        process.communicate()
        assert line
        return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a trained tagger's folder; without it the champion")
    parser.add_argument("--exports", type=Path, help="where its exports int8/ and float/ lie, or are written")
    parser.add_argument("--folder", type=Path, default=Path("runs"))
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--only", default="", help="rows whose name begins so, separated by commas")
    parser.add_argument("--memory", action="store_true", help="also the memory that 1,000 and 50,000 paragraphs take")
    for hidden in ("--row", "--texts", "--count", "--output"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        one_row(options.row, options.model, Path(options.texts), int(options.count), Path(options.output))
        return
    compare(options)


def compare(options: argparse.Namespace) -> None:
    folder, exports = prepare(options)
    texts = dev_rows(options.rows)
    scratch = exports / "bench"
    rows = scratch / "rows.json"
    scratch.mkdir(parents=True, exist_ok=True)
    rows.write_text(json.dumps(texts))
    if not (scratch / "peer" / "peer.json").is_file():
        write_peer(folder, scratch / "peer")
    places = {"framing torch": folder}
    places |= {f"framing {name}": exports / name for name in ("int8", "bf16", "float") if (exports / name).is_dir()}
    if (exports / "int8").is_dir():
        places["framing int8 closely"] = exports / "int8"  # the others read a text as a whole only
    places |= {f"pipeline {batch}": scratch / "peer" for batch in PIPELINE_BATCHES}
    for name, module in (("sentence-transformers", "sentence_transformers"), ("setfit", "setfit")):
        if importlib.util.find_spec(module):
            places[name] = scratch / "peer"
        else:
            print(f"{name}: not installed, left out (pip install {name})")
    wanted = tuple(options.only.split(","))
    print("tagger\tparagraphs/s\tcore ms each\tfirst tag, s\tpeak MB\tdecisions as pipeline")
    reference: Any = None
    for name in sorted(places, key=lambda name: (not name.startswith("pipeline"), name)):  # first what is compared with
        if not name.startswith(wanted):
            continue
        found = child(name, places[name], rows, scratch / "logits.npy")
        own = name.startswith("framing")
        first = first_tag(places[name], texts[0]) if own else child(name, places[name], rows, scratch, 1)["seconds"]
        chosen = decisions(folder, np.load(scratch / "logits.npy"), name)
        reference = chosen if reference is None else reference
        same = f"{(chosen == reference).mean():.2%}" if chosen is not None else "-"
        speed, work = len(texts) / found["seconds"], 1000 * found["work"] / len(texts)
        print(f"{name}\t{speed:.1f}\t{work:.1f}\t{first:.2f}\t{found['peak']:.0f}\t{same}", flush=True)
        if name == "framing int8":
            rate = matrix_rate()
            reached = operations_of(places[name], texts) / found["seconds"]
            share = f"{reached / rate:.0%}"
            print(f"  {reached / 1e9:.0f} of the cores' {rate / 1e9:.0f} billion 8-bit operations a second: {share}")
        if own and options.memory:
            for count in (1000, 50_000):
                peak = child(name, places[name], rows, scratch, count)["peak"]
                print(f"  {count} paragraphs: {peak:.0f} MB at most", flush=True)


def prepare(options: argparse.Namespace) -> tuple[Path, Path]:
    """The trained tagger's folder and that of its exports, which are made where they are missing."""
    from framing.cli.train import tracking_config
    from framing.tracking.registry import resolve

    folder = options.model or resolve(tracking_config(options.folder), "models:/framing@champion")[0]
    exports = options.exports or Path("runs") / "bench_inference"
    for precision in ("int8", "float"):
        if not (exports / precision).is_dir():
            command = [sys.executable, "-m", "framing.cli.main", "export", "--model", str(folder)]
            subprocess.run([*command, "--output", str(exports / precision), "--precision", precision], check=True)
    return folder, exports


def decisions(folder: Path, logits: Any, name: str) -> Any:
    """[texts x labels] of the tagger's temperatures, thresholds and constraints; SetFit decides by itself."""
    from framing.model.calibration import Calibration, probabilities
    from framing.model.decision import decide
    from framing.schema_file import read_schema

    if name == "setfit":
        return None
    schema = read_schema(folder / "schema.yaml")
    quick = folder / "calibration_quick.json"
    file = quick if quick.is_file() and not name.endswith("closely") else folder / "calibration.json"
    calibration = Calibration.from_json(file.read_text())
    labels = decide(probabilities(logits.astype(np.float32), schema, calibration), schema, calibration)
    return np.array([[label.id in row[label.facet] for label in schema.labels] for row in labels])


if __name__ == "__main__":
    main()
