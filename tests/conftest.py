"""Small real things: a schema, articles with annotations, an encoder of two layers with a tokenizer of its own."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from hypothesis import settings

from framing.annotation.store import annotation_to_json
from framing.corpus.paragraphs import split_documents
from framing.corpus.reading import read_documents
from framing.records import Annotation
from framing.schema import Schema
from framing.schema_file import read_schema

# A deadline for one example would make a slow machine fail what is right.
settings.register_profile("framing", deadline=None)
settings.load_profile("framing")

ROOT = Path(__file__).resolve().parent.parent

SCHEMA = """
name: small
description: For tests.
facets:
  - id: kind
    name: Kind
    choice: one
    labels:
      - {id: body, name: Body, definition: Article prose., examples: [The minister spoke.]}
      - {id: furniture, name: Furniture, definition: What is not prose., examples: [Share this]}
  - id: stance
    name: Stance
    choice: many
    labels:
      - {id: talks, name: Talks, definition: Wants to talk and negotiate., examples: [They want talks.]}
      - {id: attack, name: Attack, definition: Attacks with missiles., examples: [Missiles hit.]}
  - id: holder
    name: Holder
    choice: many
    labels:
      - {id: north, name: North, definition: The North., examples: [The North said]}
      - {id: south, name: South, definition: The South., examples: [The South said]}
constraints:
  - {when: kind.furniture, excludes: [stance, holder]}
  - {when: holder, requires: [stance]}
  - {when: stance, requires: [holder]}
"""

ACTS = {
    "talks": "wants talks and offers to negotiate a peace in",
    "attack": "fired missiles and launched an attack near",
}
PLACES = ["Alba", "Brod", "Cermo", "Dolna", "Elva", "Fenor", "Gora", "Hosta"]


def write_articles(folder: Path, count: int = 6) -> None:
    """Articles of five lines about two states that talk or attack, and their annotations by two coders."""
    (folder / "texts").mkdir(parents=True)
    schema = read_schema(folder / "schema.yaml")
    labels = {}
    for number in range(count):
        lines = [f"Report number {number} from the river"]
        chosen: list[dict[str, tuple[str, ...]]] = [{"kind": ("body",), "stance": (), "holder": ()}]
        for place, (side, act) in enumerate([("north", "talks"), ("south", "attack"), ("north", "attack")]):
            town = PLACES[(number + place) % len(PLACES)]
            lines.append(f"On day {number + place} the {side.title()} {ACTS[act]} {town}.")
            chosen.append({"kind": ("body",), "stance": (act,), "holder": (side,)})
        lines.append("Share this page with friends")
        chosen.append({"kind": ("furniture",), "stance": (), "holder": ()})
        (folder / "texts" / f"article{number}.txt").write_text("\n\n".join(lines), encoding="utf-8")
        labels[f"article{number}"] = chosen
    for coder in ("anna", "bert"):
        with (folder / f"{coder}.jsonl").open("w", encoding="utf-8") as file:
            for paragraph in split_documents(read_documents([folder / "texts"])):
                chosen_here = labels[paragraph.document][paragraph.position - 1]
                annotation = Annotation(paragraph.id, paragraph.digest, coder, chosen_here)
                file.write(annotation_to_json(annotation, schema) + "\n")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with schema.yaml, texts/ and two coders' files."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "schema.yaml").write_text(SCHEMA, encoding="utf-8")
    write_articles(folder)
    return folder


@pytest.fixture(scope="session")
def small_schema(project: Path) -> Schema:
    return read_schema(project / "schema.yaml")


@pytest.fixture(scope="session")
def real_schema() -> Schema:
    return read_schema(ROOT / "data" / "schema.yaml")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Path:
    """A BERT of two layers of 32 with random weights and a word-piece tokenizer made from the articles."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("encoder")
    normalizer, words = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    texts = [file.read_text() for file in sorted((project / "texts").glob("*.txt"))] + [SCHEMA]
    counts = Counter(w for text in texts for w, _ in words.pre_tokenize_str(normalizer.normalize_str(text)))
    letters = sorted({letter for word in counts for letter in word})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    # By count, then by alphabet: a trained vocabulary breaks its ties by chance, and no two sessions had the same.
    pieces += [w for w, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if len(w) > 1]
    vocabulary = {piece: number for number, piece in enumerate(pieces[:300])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, words
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    facts = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(facts))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=300,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def overrides(project: Path, encoder: Path) -> Callable[[Path], list[str]]:
    """The real configuration shrunk to the small things; runs go to the folder that is given."""

    def shrunk(runs: Path) -> list[str]:
        return [
            "data=seeds",
            "model=hub",
            f"model.name={encoder}",
            "model.freeze_layers=1",
            "model.max_tokens=64",
            "data.name=small",
            "data.datasheet=null",
            f"data.schema_file={project / 'schema.yaml'}",
            f"data.sources=[{project / 'texts'}]",
            f"data.annotations=[{project / 'anna.jsonl'},{project / 'bert.jsonl'}]",
            "training.epochs=3",
            "training.batch_tokens=128",
            "training.learning_rate=0.002",
            "training.precision=fp32",
            f"tracking.folder={runs}",
        ]

    return shrunk


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """States of frozen layers go to the test's own cache; the converted encoder is kept for the whole session."""
    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("FRAMING_CACHE", str(cache))
    # MLflow puts the store it was last connected to into the environment: the next test's fixtures must not see it
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    yield
    os.environ.pop("MLFLOW_TRACKING_URI", None)
