"""Reading a schema file: every fault at once, each with its line and its cure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from framing.errors import FramingError, did_you_mean, raise_all
from framing.schema import Constraint, Contrast, Facet, Label, Schema
from framing.yaml_file import LOADER, read_yaml

RESERVED = frozenset(
    """id text language document position title date labels probabilities model digest coder note facet label
    all any none""".split()
)
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class _ContrastFile(_Strict):
    text: str = Field(min_length=1)
    instead: str = Field(min_length=1)


class _LabelFile(_Strict):
    id: str
    name: str = Field(min_length=1)
    definition: str = Field(min_length=1)
    not_when: str = ""
    group: str = ""
    examples: list[str] = []
    near_misses: list[_ContrastFile] = []


class _FacetFile(_Strict):
    id: str
    name: str = Field(min_length=1)
    choice: Literal["one", "many"]
    description: str = ""
    labels: list[_LabelFile] = Field(min_length=1)


class _ConstraintFile(_Strict):
    when: str
    excludes: list[str] = []
    requires: list[str] = []


class _SchemaFile(_Strict):
    name: str = Field(min_length=1)
    description: str = ""
    facets: list[_FacetFile] = Field(min_length=1)
    constraints: list[_ConstraintFile] = []
    rules: list[str] = []


class _Lines:
    """Where each key and item of a YAML tree stands, so that a fault can name its line."""

    def __init__(self, path: Path, node: yaml.Node | None) -> None:
        self.path = path
        self.at: dict[tuple[str | int, ...], int] = {}
        self.doubles: list[FramingError] = []
        if node is not None:
            self._walk(node, ())

    def _walk(self, node: yaml.Node, loc: tuple[str | int, ...]) -> None:
        self.at.setdefault(loc, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*loc, str(key.value))
                line = key.start_mark.line + 1
                if here in self.at:
                    finding = f"key {key.value!r} stands twice"
                    self.doubles.append(FramingError(f"{self.path}:{line}", finding, "keep one of the two"))
                self.at[here] = line
                self._walk(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                self._walk(value, (*loc, number))

    def place(self, loc: Sequence[str | int]) -> str:
        """`file:line` of the deepest part of `loc` that the file has."""
        for length in range(len(loc), -1, -1):
            if tuple(loc[:length]) in self.at:
                return f"{self.path}:{self.at[tuple(loc[:length])]}"
        return str(self.path)


def read_schema(path: Path) -> Schema:
    """Read and check a schema file.

    Raises FramingError (several at once as Faults): a missing or unreadable file, unknown or missing keys, ids that are
    malformed, reserved or used twice, labels without definition, constraints on what the schema does not have.
    """
    if not path.is_file():
        raise FramingError(str(path), "no such schema file", "check the path, or start from data/schema.yaml")
    text, tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise FramingError(str(path), "holds no mapping", "a schema has the keys name, facets, constraints, rules")
    lines = _Lines(path, yaml.compose(text, LOADER))
    try:
        parsed = _SchemaFile.model_validate(tree)
    except ValidationError as error:
        raise_all(lines.doubles + [_structural(lines, tree, item) for item in error.errors()])
        raise
    raise_all(lines.doubles + _semantic(lines, parsed))
    return _build(parsed)


def _structural(lines: _Lines, tree: Mapping[str, Any], item: Mapping[str, Any]) -> FramingError:
    loc = item["loc"]
    where = ".".join(str(part) for part in loc)
    if item["type"] == "extra_forbidden":
        known: list[str] = list(_SchemaFile.model_fields)
        for model, key in ((_FacetFile, "facets"), (_LabelFile, "labels"), (_ContrastFile, "near_misses")):
            known = list(model.model_fields) if key in loc[:-1] else known
        known = list(_ConstraintFile.model_fields) if "constraints" in loc[:-1] else known
        return FramingError(lines.place(loc), f"unknown key {loc[-1]!r}", did_you_mean(str(loc[-1]), known))
    if item["type"] in ("missing", "string_too_short", "too_short"):
        return FramingError(lines.place(loc), f"{_named(tree, loc)} has no {loc[-1]}", f"add a {loc[-1]}")
    return FramingError(lines.place(loc), f"{where}: {item['msg'].lower()}", f"found {item['input']!r:.60}")


def _named(tree: Any, loc: Sequence[str | int]) -> str:
    """The thing a key is missing from, by its id where it has one: `label 'sanctions'`."""
    for part in loc[:-1]:
        tree = tree[part]
    kind = next((str(part) for part in reversed(loc[:-1]) if isinstance(part, str)), "schema")
    name = tree.get("id", "") if isinstance(tree, dict) else ""
    return f"{kind.rstrip('s') if kind != 'near_misses' else 'near miss'} {name!r}" if name else f"a {kind.rstrip('s')}"


def _semantic(lines: _Lines, parsed: _SchemaFile) -> list[FramingError]:
    faults: list[FramingError] = []

    def check_id(value: str, loc: tuple[str | int, ...], taken: set[str]) -> None:
        place = lines.place((*loc, "id"))
        if not IDENTIFIER.fullmatch(value):
            faults.append(FramingError(place, f"id {value!r}", "use lower-case letters, digits and _, a letter first"))
        if value in RESERVED:
            faults.append(FramingError(place, f"id {value!r} is reserved", "choose another id"))
        if value in taken:
            faults.append(FramingError(place, f"id {value!r} is used twice", "rename or remove one"))
        taken.add(value)

    facet_ids: set[str] = set()
    known: set[str] = set()
    for i, facet in enumerate(parsed.facets):
        check_id(facet.id, ("facets", i), facet_ids)
        label_ids: set[str] = set()
        for j, label in enumerate(facet.labels):
            check_id(label.id, ("facets", i, "labels", j), label_ids)
        known |= {facet.id} | {f"{facet.id}.{label_id}" for label_id in label_ids}
        if facet.choice == "one" and len(facet.labels) < 2:
            place = lines.place(("facets", i, "labels"))
            faults.append(FramingError(place, f"facet {facet.id!r} offers one label to choose one of", "add another"))
    for i, rule in enumerate(parsed.constraints):
        for ref in (rule.when, *rule.excludes, *rule.requires):
            if ref not in known:
                place = lines.place(("constraints", i))
                faults.append(FramingError(place, f"constraint on unknown {ref!r}", did_you_mean(ref, sorted(known))))
        if not rule.excludes and not rule.requires:
            finding = f"the constraint on {rule.when!r} says nothing"
            faults.append(FramingError(lines.place(("constraints", i)), finding, "add excludes or requires"))
    return faults


def _build(parsed: _SchemaFile) -> Schema:
    facets = []
    for facet in parsed.facets:
        labels = tuple(
            Label(
                id=label.id,
                facet=facet.id,
                name=label.name,
                definition=label.definition,
                not_when=label.not_when,
                group=label.group,
                examples=tuple(label.examples),
                near_misses=tuple(Contrast(miss.text, miss.instead) for miss in label.near_misses),
            )
            for label in facet.labels
        )
        facets.append(Facet(facet.id, facet.name, facet.choice, facet.description, labels))
    constraints = tuple(Constraint(c.when, tuple(c.excludes), tuple(c.requires)) for c in parsed.constraints)
    return Schema(parsed.name, parsed.description, tuple(facets), constraints, tuple(parsed.rules))


def schema_to_yaml(schema: Schema) -> str:
    """A file that reads back as the same schema (its comments are gone)."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in value.items() if key != "facet" and item not in ("", [], ())}
        return [plain(item) for item in value] if isinstance(value, list | tuple) else value

    return yaml.safe_dump(plain(asdict(schema)), allow_unicode=True, sort_keys=False, width=120)
