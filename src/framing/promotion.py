"""May a registered tagger replace the champion? Gates that answer with numbers, and the act itself.

The rule: on the champion's own test set, under its schema, without having learned from it, the challenger's mean
macro-F1 must be higher than the champion's by the paired randomisation test over articles (one-sided, p at most .05);
its calibration error may be larger by `TOLERANCE` at most; and its registered artifact must load in a new process and
say of test paragraphs what it said when it was scored. Non-inferiority asks for "not lower by more than `MARGIN`"
(lower bound of the 95 % interval) in place of "higher", for a tagger that is wanted for another reason: a smaller one.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framing.config import TrackingConfig
from framing.errors import FramingError, StoreUnreachable
from framing.evaluation.comparison import Comparison, System, compare, recorded_system, shared_gold
from framing.evaluation.findings import interval, p_words, short, signed
from framing.evaluation.metrics import Record, judge, score
from framing.evaluation.significance import ALPHA, HEADLINE, MIN_ARTICLES, smallest_p
from framing.tracking import registry
from framing.tracking.registry import Version
from framing.tracking.runs import recorded_run
from framing.tracking.store import store_uri

MARGIN = 0.02
TOLERANCE = 0.02
_PROBES = 24
_SAME = 0.02
"""Probabilities that differ by less are the same: another machine or precision moves them a little."""

_SECONDS = 600
_PROBE = (
    "import json, sys; from framing.serving import tag_texts; "
    "print(json.dumps(tag_texts(sys.argv[1], json.load(sys.stdin))))"
)


Tag = Callable[[TrackingConfig, Version, Sequence[str]], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Gate:
    name: str
    passed: bool
    finding: str


@dataclass(frozen=True, slots=True)
class Examination:
    """`test`: digest of the champion's test set, "" where there was nothing to compare with."""

    challenger: Version
    champion: Version | None
    gates: tuple[Gate, ...]
    test: str = ""

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)

    @property
    def failed(self) -> str:
        return "; ".join(f"{gate.name}: {gate.finding}" for gate in self.gates if not gate.passed)


def examine(
    config: TrackingConfig, reference: str, *, non_inferior: bool = False, tag: Tag | None = None
) -> Examination:
    """Put a version (its number, or its run) to every gate; all are tried, so that all faults are seen at once.

    `tag` tags texts with a model; unless another is given, in a new process.
    """
    challenger, champion = registry.find_version(config, reference), registry.champion(config)
    own = _system(config, challenger)
    working = _loads(config, challenger, own, tag or _tag_elsewhere)
    if champion is None:
        return Examination(challenger, None, (_untouched(own, own), working))
    if champion.number == challenger.number:
        place = f"version {champion.number} of {config.model_name!r}"
        raise FramingError(place, "it is the champion already", "name another; `framing models` lists them")
    try:
        other = _system(config, champion)
    except StoreUnreachable:
        raise
    except FramingError as error:  # its run was deleted: nothing can be compared, but --force must stay a way out
        lost = Gate("champion's test", False, f"version {champion.number} cannot be compared with: {error.finding}")
        return Examination(challenger, champion, (_schema(challenger, champion), lost, _untouched(own, own), working))
    gates = (
        _schema(challenger, champion),
        _test_set(own, other),
        _untouched(own, other),
        *_scores(own, other, non_inferior),
        working,
    )
    return Examination(challenger, champion, gates, _digest(other.gold))


def promote(config: TrackingConfig, found: Examination, forced: str | None) -> None:
    """Make the challenger champion, and write why on it; `forced` is the reason where gates failed.

    Raises FramingError if gates failed and nothing forces it.
    """
    number = found.challenger.number
    if not found.passed and forced is None:
        names = ", ".join(repr(gate.name) for gate in found.gates if not gate.passed)
        raise FramingError(f"version {number}", f"not promoted, it failed {names}", 'or --force "REASON" all the same')
    facts = {"promoted_because": forced or "passed all gates", "forced": "no" if found.passed else "yes"}
    if not found.passed:
        facts["gates_failed"] = found.failed[:2000]
    registry.promote(config, number, facts)


def note_use(config: TrackingConfig, found: Examination) -> int:
    """Count that the test set was used to decide: a set that decides often is no longer untouched."""
    return registry.count_test_use(config, found.test) if found.test else 0


def _system(config: TrackingConfig, version: Version) -> System:
    run = recorded_run(config, version.run_id)
    return recorded_system(f"version {version.number}", run.folders, {**run.params, **run.tags})


def _schema(challenger: Version, champion: Version) -> Gate:
    own, other = challenger.tags.get("schema", "unknown"), champion.tags.get("schema", "unknown")
    return Gate("same schema", own == other, own if own == other else f"{own}, the champion has {other}")


def _test_set(own: System, other: System) -> Gate:
    shared = len(shared_gold([own, other]))
    passed = shared == len(own.gold) == len(other.gold)
    if passed:
        return Gate("same test set", True, f"{shared} paragraphs, same texts and labels")
    finding = f"{len(own.gold)} paragraphs, the champion has {len(other.gold)}; {shared} are the same"
    return Gate("same test set", False, finding)


def _untouched(own: System, other: System) -> Gate:
    tested = {record.document for record in other.gold.values()}
    common = sorted(tested & (own.learned | own.chosen_on))
    if common:
        names = ", ".join(common[:3]) + (" ..." if len(common) > 3 else "")
        return Gate("test articles unseen", False, f"it learned from {len(common)} of {len(tested)}: {names}")
    return Gate("test articles unseen", True, f"none of {len(tested)} was learned from")


def _scores(own: System, other: System, non_inferior: bool) -> tuple[Gate, Gate]:
    better = f"not worse by more than {short(MARGIN, 2)}" if non_inferior else "better"
    try:
        found = compare([own, other])
    except FramingError as error:
        return Gate(better, False, error.finding), Gate("calibration no worse", False, error.finding)
    return _better(better, found, non_inferior), _calibration(found)


def _better(name: str, found: Comparison, non_inferior: bool) -> Gate:
    row = found.pairs[0].of(HEADLINE)
    if row is None or row.p_better is None or row.low is None:
        return Gate(name, False, f"{found.articles} test articles are too few for a test ({MIN_ARTICLES} are needed)")
    finding = f"mean macro-F1 {short(row.first)} against {short(row.second)}: {interval(row)}"
    if non_inferior:
        return Gate(name, row.low >= -MARGIN, f"{finding}; lower bound {signed(row.low)}, allowed {signed(-MARGIN)}")
    finding += f", one-sided {p_words(row.p_better)}, needed {short(ALPHA, 2)}"
    least = smallest_p(row.articles) / 2
    if least > ALPHA / 2:
        finding += f" ({row.articles} articles: it cannot be below {short(least)})"
    return Gate(name, row.p_better <= ALPHA, finding)


def _calibration(found: Comparison) -> Gate:
    own, other = (_calibration_error(found.gold, system) for system in found.systems)
    finding = f"mean calibration error {short(own)} against {short(other)}, allowed {short(other + TOLERANCE)}"
    return Gate("calibration no worse", own <= other + TOLERANCE, finding)


def _calibration_error(gold: Mapping[str, Record], system: System) -> float:
    rows = score(judge(gold, system.predicted))
    values = [row.value for row in rows if row.metric == "calibration_error" and not row.language]
    return sum(values) / len(values) if values else float("nan")


def _loads(config: TrackingConfig, version: Version, own: System, tag: Tag) -> Gate:
    """Load the registered artifact, and let it tag test paragraphs again."""
    name = "loads and tags"
    records = list(own.predicted.values())
    chosen = records[:: max(1, len(records) // _PROBES)][:_PROBES]
    try:
        said = tag(config, version, [record.text for record in chosen])
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return Gate(name, False, _last_line(error))
    worst = max((_distance(record, answer) for record, answer in zip(chosen, said, strict=True)), default=0.0)
    finding = f"{len(chosen)} test paragraphs tagged anew, largest change of a probability {short(worst)}"
    return Gate(name, worst <= _SAME, finding + ("" if worst <= _SAME else f", allowed {short(_SAME)}"))


def _tag_elsewhere(config: TrackingConfig, version: Version, texts: Sequence[str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, f"models:/{config.model_name}/{version.number}"],
        input=json.dumps(texts),
        env={**os.environ, "MLFLOW_TRACKING_URI": store_uri(config), "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        encoding="utf-8",
        timeout=_SECONDS,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    if len(found) != len(texts):
        raise ValueError(f"{len(found)} answers to {len(texts)} paragraphs")
    return found


def _last_line(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    lines = [line.strip() for line in str(said).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]


def _distance(record: Record, answer: Mapping[str, Any]) -> float:
    """The largest difference of a probability as recorded and as given now; 1 where one is missing."""
    now = answer["probabilities"]
    pairs = [
        (share, now.get(facet, {}).get(label))
        for facet, shares in record.probabilities.items()
        for label, share in shares.items()
    ]
    return max((1.0 if given is None else abs(share - given) for share, given in pairs), default=1.0)


def _digest(gold: Mapping[str, Record]) -> str:
    """Twelve hex digits over ids, texts and labels of a test set."""
    digest = hashlib.sha256()
    for record_id in sorted(gold):
        record = gold[record_id]
        labels = {facet: sorted(chosen) for facet, chosen in record.labels.items()}
        digest.update(json.dumps([record_id, record.text, labels], sort_keys=True).encode())
    return digest.hexdigest()[:12]
