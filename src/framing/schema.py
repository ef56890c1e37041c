"""The labelling schema: facets, labels and constraints, in the order of the columns of every matrix."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from framing.errors import did_you_mean
from framing.records import Labels


@dataclass(frozen=True, slots=True)
class Contrast:
    """A near miss: a text that looks like the label, and what it is instead."""

    text: str
    instead: str


@dataclass(frozen=True, slots=True)
class Label:
    id: str
    facet: str
    name: str
    definition: str
    not_when: str = ""
    group: str = ""
    examples: tuple[str, ...] = ()
    near_misses: tuple[Contrast, ...] = ()

    @property
    def ref(self) -> str:
        return f"{self.facet}.{self.id}"


@dataclass(frozen=True, slots=True)
class Facet:
    """One question asked of each paragraph; `choice` says whether one label answers it or any number."""

    id: str
    name: str
    choice: Literal["one", "many"]
    description: str
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Constraint:
    """`when` holds -> none of `excludes` may, and at least one of `requires` must. Refs: `facet` or `facet.label`."""

    when: str
    excludes: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    name: str
    description: str
    facets: tuple[Facet, ...]
    constraints: tuple[Constraint, ...] = ()
    rules: tuple[str, ...] = ()

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """All labels, facet after facet: the order of the columns of every matrix."""
        return tuple(label for facet in self.facets for label in facet.labels)

    @cached_property
    def _columns(self) -> dict[str, slice]:
        columns, start = {}, 0
        for facet in self.facets:
            columns[facet.id] = slice(start, start + len(facet.labels))
            start += len(facet.labels)
        return columns

    def facet(self, facet_id: str) -> Facet:
        return next(facet for facet in self.facets if facet.id == facet_id)

    def columns(self, facet_id: str) -> slice:
        """The facet's columns in a matrix whose columns are `labels`."""
        return self._columns[facet_id]

    def select(self, ref: str) -> slice:
        """The columns that a reference (`facet` or `facet.label`) names."""
        facet_id, _, label_id = ref.partition(".")
        columns = self._columns[facet_id]
        if not label_id:
            return columns
        ids = [label.id for label in self.facet(facet_id).labels]
        at = columns.start + ids.index(label_id)
        return slice(at, at + 1)

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits over everything that means something: not over comments, order of keys or line breaks."""

        def squeeze(value: Any) -> Any:
            if isinstance(value, str):
                return " ".join(value.split())
            if isinstance(value, Mapping):
                return {key: squeeze(item) for key, item in value.items()}
            return [squeeze(item) for item in value] if isinstance(value, list | tuple) else value

        meaning = json.dumps(squeeze(asdict(self)), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(meaning.encode()).hexdigest()[:12]

    def _holds(self, ref: str, labels: Labels) -> bool:
        facet_id, _, label_id = ref.partition(".")
        chosen = labels.get(facet_id, ())
        return label_id in chosen if label_id else bool(chosen)

    def violations(self, labels: Labels) -> list[str]:
        """What is wrong with a decision: unknown ids, a facet of choice `one` without just one, broken constraints."""
        found = []
        for facet_id, chosen in labels.items():
            if facet_id not in self._columns:
                found.append(f"unknown facet {facet_id!r}; {did_you_mean(facet_id, self._columns)}")
                continue
            facet = self.facet(facet_id)
            known = [label.id for label in facet.labels]
            for label_id in chosen:
                if label_id not in known:
                    cure = did_you_mean(label_id, known)
                    found.append(f"unknown label {label_id!r} in facet {facet_id!r}; {cure}")
            if len(set(chosen)) < len(chosen):
                found.append(f"facet {facet_id!r} names a label twice; keep one")
            if facet.choice == "one" and len(chosen) != 1:
                found.append(f"facet {facet_id!r} has {len(chosen)} labels; choose exactly one")
        for rule in self.constraints:
            if not self._holds(rule.when, labels):
                continue
            for ref in rule.excludes:
                if self._holds(ref, labels):
                    found.append(f"{rule.when!r} excludes {ref!r}; remove one of the two")
            # A facet that was not decided cannot break a requirement.
            decided = all(ref.partition(".")[0] in labels for ref in rule.requires)
            if rule.requires and decided and not any(self._holds(ref, labels) for ref in rule.requires):
                wanted = " or ".join(repr(ref) for ref in rule.requires)
                found.append(f"{rule.when!r} requires {wanted}; add it or remove {rule.when!r}")
        return found
