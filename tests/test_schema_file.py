"""Reading a schema: faults all at once with line and cure; a fingerprint of meaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import ROOT, SCHEMA
from framing.errors import Faults, FramingError
from framing.schema_file import read_schema, schema_to_yaml


def read(text: str, folder: Path) -> object:
    file = folder / "schema.yaml"
    file.write_text(text, encoding="utf-8")
    return read_schema(file)


def test_the_projects_schema_has_the_codebooks_labels() -> None:
    schema = read_schema(ROOT / "data" / "schema.yaml")
    assert [facet.id for facet in schema.facets] == ["kind", "stance", "frame", "holder"]
    assert [len(facet.labels) for facet in schema.facets] == [4, 12, 5, 7]
    assert [facet.choice for facet in schema.facets] == ["one", "many", "many", "many"]


def test_every_label_of_the_projects_schema_has_two_examples_and_a_near_miss() -> None:
    for label in read_schema(ROOT / "data" / "schema.yaml").labels:
        assert len(label.examples) >= 2, label.ref
        assert label.near_misses, label.ref


def test_all_faults_are_found_at_once_with_their_lines(tmp_path: Path) -> None:
    broken = SCHEMA.replace("id: attack, name: Attack", "id: talks, name: Attack").replace("id: north", "id: all")
    broken = broken.replace("{when: kind.furniture", "{when: kind.furnitur")
    with pytest.raises(Faults) as caught:
        read(broken, tmp_path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "schema.yaml:16: id 'talks' is used twice" in lines[0]
    assert "id 'all' is reserved" in lines[1]
    assert "constraint on unknown 'kind.furnitur'; did you mean 'kind.furniture'?" in lines[2]


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("definition: Article prose.", "definitoin: Article prose.", "did you mean 'definition'"),
        (", definition: Article prose.", "", "label 'body' has no definition"),
        ("choice: one", "choice: some", "choice"),
        ("name: small", "name: small\nname: other", "key 'name' stands twice"),
        ("name: small", "nam: small", "unknown key 'nam'"),
        ("id: talks", "id: Talks!", "id 'Talks!'"),
        ("description: For tests.", "description: [", "not YAML"),
    ],
)
def test_a_fault_is_named(old: str, new: str, finding: str, tmp_path: Path) -> None:
    with pytest.raises(FramingError) as caught:
        read(SCHEMA.replace(old, new, 1), tmp_path)
    assert finding in str(caught.value)


def test_a_missing_or_foreign_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FramingError, match="no such schema file"):
        read_schema(tmp_path / "none.yaml")
    with pytest.raises(FramingError, match="holds no mapping"):
        read("just words", tmp_path)


def fingerprint(text: str, folder: Path) -> str:
    return read(text, folder).fingerprint  # type: ignore[attr-defined,no-any-return]


def test_the_fingerprint_changes_with_meaning_only(tmp_path: Path) -> None:
    plain = fingerprint(SCHEMA, tmp_path)
    assert fingerprint("# a comment\n" + SCHEMA.replace("name: small", "name:   small   # same"), tmp_path) == plain
    assert fingerprint(SCHEMA.replace("Article prose.", "Running prose."), tmp_path) != plain
    assert fingerprint(SCHEMA.replace("choice: one", "choice: many"), tmp_path) != plain
    assert fingerprint(SCHEMA.replace("  - {when: holder, requires: [stance]}\n", ""), tmp_path) != plain


@pytest.mark.parametrize("which", ["small_schema", "real_schema"])
def test_a_schema_survives_writing_and_reading(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    schema = request.getfixturevalue(which)
    assert read(schema_to_yaml(schema), tmp_path) == schema


def test_violations_name_what_is_wrong_with_a_decision(tmp_path: Path) -> None:
    schema = read_schema(ROOT / "data" / "schema.yaml")
    fine = {"kind": ("body",), "stance": ("sanctions",), "frame": (), "holder": ("europe",)}
    assert schema.violations(fine) == []
    assert "did you mean 'sanctions'" in schema.violations({**fine, "stance": ("sanktions",)})[0]
    assert "excludes" in schema.violations({**fine, "kind": ("boilerplate",)})[0]
    assert "requires 'holder'" in schema.violations({**fine, "holder": ()})[0]
    assert "choose exactly one" in schema.violations({**fine, "kind": ()})[0]
    assert schema.violations({"stance": ("sanctions",)}) == [], "an undecided facet breaks nothing"
