"""Annotation files: what is written reads back; every fault is found at once."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from framing.annotation.store import annotation_to_json, check_annotations, labels_from_json, labels_to_json
from framing.annotation.store import read_annotations as read
from framing.corpus.paragraphs import split_documents
from framing.corpus.reading import read_documents
from framing.records import Annotation, Labels, Paragraph, text_digest
from framing.schema import Schema
from framing.schema_file import read_schema

SCHEMA = read_schema(ROOT / "data" / "schema.yaml")


@st.composite
def decisions(draw: st.DrawFn) -> Labels:
    labels: dict[str, tuple[str, ...]] = {}
    for facet in SCHEMA.facets:
        ids = [label.id for label in facet.labels]
        if facet.choice == "one":
            labels[facet.id] = (draw(st.sampled_from(ids)),)
        elif draw(st.booleans()):
            chosen = draw(st.sets(st.sampled_from(ids)))
            labels[facet.id] = tuple(label for label in ids if label in chosen)
    return labels


@given(decisions(), st.text(max_size=30))
def test_labels_survive_the_files_form(labels: Labels, note: str) -> None:
    assert labels_from_json(json.loads(json.dumps(labels_to_json(labels, SCHEMA)))) == labels
    line = annotation_to_json(Annotation("d:1", "0" * 12, "anna", labels, note), SCHEMA)
    assert labels_from_json(json.loads(line)["labels"]) == labels
    assert "\n" not in line


@given(st.text(), st.text(alphabet=" \n\t", max_size=3))
def test_a_digest_changes_with_words_and_not_with_white_space(text: str, space: str) -> None:
    assert text_digest(text + space) == text_digest(text)
    assert text_digest(text + "x") != text_digest(text)


def test_every_fault_of_files_is_found_at_once(tmp_path: Path) -> None:
    paragraphs = [Paragraph(f"d:{n}", "d", n, 0, 3, f"text {n}", "en") for n in range(1, 5)]
    fine = {"kind": "body", "stance": ["sanctions"], "frame": [], "holder": ["europe"]}
    good = {"id": "d:1", "digest": paragraphs[0].digest, "coder": "a", "labels": fine}
    lines = [
        good,
        {**good, "id": "d:2", "digest": paragraphs[1].digest, "labels": {**fine, "stance": ["sanktions"]}},
        {**good, "id": "d:3", "digest": "000000000000"},
        good,
        {**good, "id": "d:9"},
        {**good, "id": "d:2", "labels": {**fine, "kind": "boilerplate"}},
        {**good, "id": "d:2", "label": 1},
    ]
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"id": \n')
    placed, faults = read([file], SCHEMA)
    found = [str(fault) for fault in [*faults, *check_annotations(placed, paragraphs)]]
    expected = [
        "a.jsonl:2: unknown label 'sanktions' in facet 'stance'; did you mean 'sanctions'?",
        "a.jsonl:4: 'a' annotated 'd:1' already at",
        "a.jsonl:6: ",
        "a.jsonl:7: unknown key 'label'; did you mean 'labels'?",
        "a.jsonl:8: not JSON",
        "a.jsonl:3: paragraph 'd:3' has changed",
        "a.jsonl:5: there is no paragraph 'd:9'",
        "d:2: not annotated",
        "d:4: not annotated",
    ]
    assert len(found) == len(expected)
    for fault, start in zip(found, expected, strict=True):
        assert start in fault


def test_the_repositorys_annotations_have_no_fault() -> None:
    paragraphs = list(split_documents(read_documents([ROOT / "seeds", ROOT / "data" / "corpus"])))
    placed, faults = read([ROOT / "data" / "annotations"], SCHEMA)
    assert [str(fault) for fault in [*faults, *check_annotations(placed, paragraphs)]] == []


def test_the_seeds_are_coded_twice_and_adjudicated(real_schema: Schema) -> None:
    placed, _ = read([ROOT / "data" / "annotations" / "seeds"], real_schema)
    by_coder: dict[str, set[str]] = {}
    for item in placed:
        by_coder.setdefault(item.annotation.coder, set()).add(item.annotation.paragraph)
    assert set(by_coder) == {"coder_a", "coder_b", "gold"}
    assert {len(ids) for ids in by_coder.values()} == {127}
