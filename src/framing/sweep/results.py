"""What a sweep leaves to read and to go on with: the best configuration as an experiment file, a table, a note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from framing.inference.prediction import whole_file
from framing.summary import markdown
from framing.sweep.study import Row, states

BEST = "best.yaml"
_SECTIONS = ("data", "model", "training")


def experiment_text(best: Mapping[str, Any], plain: Mapping[str, Any], choices: Mapping[str, str], head: str) -> str:
    """An experiment file: what the best configuration has other than the plain one that these choices of conf/ give."""
    lines: dict[str, Any] = {"defaults": [{f"override /{group}": choices[group]} for group in _SECTIONS]}
    lines["name"] = best["name"]
    lines |= {key: found for key in _SECTIONS if (found := _difference(best[key], plain[key]))}
    return f"# @package _global_\n{head}" + yaml.safe_dump(lines, sort_keys=False, allow_unicode=True)


def _difference(values: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in plain or plain[key] != value}


def write(path: Path, text: str) -> None:
    with whole_file(path) as file:
        file.write(text)


def ranked(rows: Sequence[Row]) -> list[Row]:
    """The best first, then those that were not scored, in their order."""
    return sorted(rows, key=lambda row: (row.score is None, -(row.score or 0.0), row.number))


def trial_rows(rows: Sequence[Row], keys: Sequence[str]) -> list[list[str]]:
    """Rank, trial, score, state, then the values."""
    shown = []
    for row in ranked(rows):
        value = "-" if row.score is None else f"{row.score:.3f}".removeprefix("0")
        state = " ".join(word for word in (row.state, row.remark) if word)
        shown.append([str(row.number), value, *(str(row.values.get(key, "-")) for key in keys), state])
    return shown


def heads(keys: Sequence[str]) -> list[str]:
    """Of `trial_rows`: the last part of a key says enough where no other key ends in it."""
    last = [key.rpartition(".")[2] for key in keys]
    short = [name if last.count(name) == 1 else key for name, key in zip(last, keys, strict=True)]
    return ["trial", "score", *short, "state"]


def table_text(rows: Sequence[Row], keys: Sequence[str]) -> str:
    return "\n".join("\t".join(line) for line in [heads(keys), *trial_rows(rows, keys)]) + "\n"


def note(rows: Sequence[Row], keys: Sequence[str], importance: Mapping[str, float], command: str) -> str:
    """The description of the parent run: the best values, how to train with them, the first ten trials."""
    best = ranked(rows)[0]
    counts = ", ".join(f"{count} {state}" for state, count in states(rows).items() if count)
    said = [f"**Best {best.score:.3f}** (trial {best.number}), {counts}." if best.score is not None else counts]
    said.append(f"Train with the best values: `{command}`")
    if importance:
        said.append("Share of the variance explained: " + ", ".join(f"{k} {v:.0%}" for k, v in importance.items()))
    said.append(markdown(heads(keys), trial_rows(rows, keys)[:10]))
    return "\n\n".join(said)
