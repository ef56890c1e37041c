"""Two or more systems on the paragraphs they share: who is better in what, by how much, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from framing.errors import FramingError
from framing.evaluation.metrics import Record, columns_of, judge, read_records_file
from framing.evaluation.significance import Difference, differences, holm
from framing.schema import Schema
from framing.schema_file import read_schema


@dataclass(frozen=True)
class System:
    """A run or a prediction file: what it says, what is right, and what is known of where it comes from.

    gold, predicted: paragraph id -> record. facts: configuration and lineage, as far as they are known.
    learned, chosen_on: documents of its train and dev part.
    """

    name: str
    gold: Mapping[str, Record]
    predicted: Mapping[str, Record]
    facts: Mapping[str, str] = field(default_factory=dict)
    learned: frozenset[str] = frozenset()
    chosen_on: frozenset[str] = frozenset()
    schema: Schema | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """The differences of two systems, first minus second."""

    first: str
    second: str
    rows: tuple[Difference, ...]

    def of(self, metric: str, facet: str = "", language: str = "") -> Difference | None:
        wanted = (metric, facet, "", language)
        return next((row for row in self.rows if (row.metric, row.facet, row.label, row.language) == wanted), None)


@dataclass(frozen=True)
class Comparison:
    """Every system against the first one, on `gold`: the paragraphs that all of them were tested on."""

    systems: tuple[System, ...]
    gold: Mapping[str, Record]
    pairs: tuple[Pair, ...]

    @property
    def articles(self) -> int:
        return len({record.document for record in self.gold.values()})


def recorded_system(name: str, folders: Sequence[Path], facts: Mapping[str, str]) -> System:
    """A run from its folders: one, or one for each fold of a cross-validation, whose tests are put together."""
    gold: dict[str, Record] = {}
    predicted: dict[str, Record] = {}
    for folder in folders:
        gold |= read_records_file(folder / "test" / "gold.jsonl")
        predicted |= read_records_file(folder / "test" / "predictions.jsonl")
    schema = read_schema(folders[0] / "schema.yaml")
    split: dict[str, list[str]] = {}
    # Of a cross-validation every article teaches some fold, never the one that it tests. Zero-shot learns from none.
    if len(folders) == 1 and facts.get("data.zero_shot") != "True":
        split = json.loads((folders[0] / "split.json").read_text(encoding="utf-8"))
    learned, chosen_on = (frozenset(split.get(part, ())) for part in ("train", "dev"))
    return System(name, gold, predicted, facts, learned, chosen_on, schema)


def file_system(path: Path, gold: Mapping[str, Record]) -> System:
    """A prediction file against a gold file; every gold record needs a prediction."""
    predicted = read_records_file(path)
    missing = [record_id for record_id in gold if record_id not in predicted]
    if missing:
        finding = f"{len(missing)} of {len(gold)} gold records have no prediction, first {missing[0]!r}"
        raise FramingError(str(path), finding, "tag the gold file's texts with --unit paragraph")
    return System(path.stem, gold, predicted)


def compare(systems: Sequence[System], seed: int = 0) -> Comparison:
    """Each later system against the first. Raises FramingError where they share no test paragraph."""
    gold = shared_gold(systems)
    if not gold:
        names = " and ".join(repr(system.name) for system in systems)
        finding = "they were tested on no paragraph with the same text and gold labels"
        raise FramingError(names, finding, "tag one set with each (`framing predict --unit paragraph`) and give --gold")
    predicted = [{record_id: system.predicted[record_id] for record_id in gold} for system in systems]
    columns = columns_of([record for own in predicted for record in own.values()] + list(gold.values()))
    first, *others = (judge(gold, own, columns=columns) for own in predicted)
    pairs = [
        Pair(systems[0].name, system.name, tuple(differences(first, judged, seed)))
        for system, judged in zip(systems[1:], others, strict=True)
    ]
    return Comparison(tuple(systems), gold, tuple(_corrected_together(pairs)))


def shared_gold(systems: Sequence[System]) -> dict[str, Record]:
    """The gold records that all systems were tested on, with the same text and the same labels."""
    first, *others = systems
    shared = {}
    for record_id, record in first.gold.items():
        known = [system.gold.get(record_id) for system in others]
        if all(one is not None and one.text == record.text and _same(one, record) for one in known):
            shared[record_id] = record
    return shared


def _same(one: Record, other: Record) -> bool:
    def sets(record: Record) -> dict[str, set[str]]:
        return {facet: set(chosen) for facet, chosen in record.labels.items()}

    return sets(one) == sets(other)


def _corrected_together(pairs: Sequence[Pair]) -> list[Pair]:
    """With several pairs, Holm's correction goes over all of them: more questions, more care."""
    if len(pairs) == 1:
        return list(pairs)
    families: dict[tuple[str, bool], list[tuple[int, int]]] = {}
    for number, pair in enumerate(pairs):
        for place, row in enumerate(pair.rows):
            if row.p is not None:
                families.setdefault((row.metric, bool(row.language)), []).append((number, place))
    rows = [list(pair.rows) for pair in pairs]
    for members in families.values():
        values = holm([rows[number][place].p or 0.0 for number, place in members])
        for (number, place), value in zip(members, values, strict=True):
            rows[number][place] = replace(rows[number][place], corrected=value)
    return [replace(pair, rows=tuple(own)) for pair, own in zip(pairs, rows, strict=True)]


def comparison_to_json(comparison: Comparison, findings: Sequence[str], warnings: Sequence[str]) -> dict[str, Any]:
    return {
        "systems": [system.name for system in comparison.systems],
        "articles": comparison.articles,
        "paragraphs": len(comparison.gold),
        "findings": list(findings),
        "warnings": list(warnings),
        "pairs": [
            {
                "first": pair.first,
                "second": pair.second,
                "differences": [{**asdict(row), "difference": row.value, "shown": row.shown} for row in pair.rows],
            }
            for pair in comparison.pairs
        ],
        "differs": [list(row) for row in what_differs(comparison.systems)],
    }


def what_differs(systems: Sequence[System]) -> list[tuple[str, ...]]:
    """Facts that are not alike: (fact, value of each system); "" where it is not known."""
    names = sorted({key for system in systems for key in system.facts})
    rows = [(name, *(system.facts.get(name, "") for system in systems)) for name in names]
    return [row for row in rows if len(set(row[1:])) > 1]


def schema_changes(first: Schema, second: Schema) -> list[str]:
    """What is different between two schemas, label by label, in words."""
    if first.fingerprint == second.fingerprint:
        return []
    one, two = ({label.ref: label for label in schema.labels} for schema in (first, second))
    found = [f"only the first has {ref}" for ref in one if ref not in two]
    found += [f"only the second has {ref}" for ref in two if ref not in one]
    found += [f"{ref} is worded differently" for ref in one if ref in two and one[ref] != two[ref]]
    choices = [{facet.id: facet.choice for facet in schema.facets} for schema in (first, second)]
    found += [f"{name}: one label or many" for name in choices[0] if choices[0][name] != choices[1].get(name, "one")
              and name in choices[1]]  # fmt: skip
    if first.constraints != second.constraints:
        found.append("the constraints differ")
    return found or ["rules or descriptions differ; labels and constraints are alike"]
