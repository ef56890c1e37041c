"""Where a run comes from: code, schema, data, packages and machine; and what it cost."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distributions, version
from pathlib import Path

import psutil

from framing.config import RunConfig
from framing.dataset import Dataset
from framing.schema import Schema

_PACKAGE = Path(__file__).resolve().parent
_POWER = Path("/sys/class/powercap")
_MAX_DIFF = 1_000_000


def lineage_tags(config: RunConfig, schema: Schema, dataset: Dataset) -> dict[str, str]:
    """Lineage: from which code, schema, data and machine a run comes."""
    code = _code_version()
    return {
        "model": config.model.kind,
        "data": config.data.name,
        "seed": str(config.training.seed),
        "schema": schema.name,
        "schema_fingerprint": schema.fingerprint,
        "data_fingerprint": dataset.fingerprint,
        "code": code,
        "code_clean": "unknown" if code.startswith("framing ") else "no" if code.endswith("-dirty") else "yes",
        "versions": ", ".join(
            f"{name} {version(name)}"
            for name in ("framing", "torch", "transformers", "scikit-learn", "numpy", "mlflow")
        ),
        "machine": f"{platform.machine()} {platform.system()}, Python {platform.python_version()}",
        **_hardware(),
    }


def part_tags(parts: Mapping[str, Dataset]) -> dict[str, str]:
    """A fingerprint for each part: two runs with the same one learned from, or were tested on, the very same rows."""
    return {f"{name}_fingerprint": part.fingerprint for name, part in parts.items()}


def backbone_tag(tagger: Path) -> dict[str, str]:
    """Which encoder a saved tagger stands on; the baseline stands on none."""
    facts = json.loads((tagger / "tagger.json").read_text(encoding="utf-8"))
    return {"backbone_fingerprint": str(facts.get("backbone", "none"))}


@cache
def _code_version() -> str:
    """The commit that this package is part of, `-dirty` with changes; its version where it is not in a repository."""
    try:
        # A virtual environment inside somebody's repository is not that repository's code.
        _git("ls-files", "--error-unmatch", Path(__file__).name)
        return _git("describe", "--always", "--dirty").strip()
    except (OSError, subprocess.SubprocessError):
        return f"framing {version('framing')}"


def _git(*words: str) -> str:
    # a diff may hold bytes of files that are not UTF-8
    done = subprocess.run(
        ["git", *words],
        cwd=_PACKAGE,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=10,
        check=True,
    )
    return done.stdout


@cache
def _hardware() -> dict[str, str]:
    names = [line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": names[0] if names else platform.processor() or "unknown",
        "cores": str(usable),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "gpu": _gpus(),
    }


def _gpus() -> str:
    try:
        words = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        found = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return "none"
    return ", ".join(line.strip() for line in found.splitlines() if line.strip()) or "none"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def write_environment(folder: Path) -> None:
    """`packages.txt`, every installed package with its version; `uncommitted.diff` where the code was not clean."""
    found = {dist.metadata["Name"]: dist.version for dist in distributions()}
    lines = [f"{name}=={number}\n" for name, number in sorted(found.items(), key=lambda item: item[0].lower())]
    (folder / "packages.txt").write_text("".join(lines), encoding="utf-8")
    if not _code_version().endswith("-dirty"):
        return
    try:
        (folder / "uncommitted.diff").write_text(_git("diff", "HEAD", "--", ":/")[:_MAX_DIFF], encoding="utf-8")
    except (OSError, subprocess.SubprocessError):
        return  # the tag still says that the code was not clean


class Meter:
    """Seconds, CPU seconds (with child processes) and, where the processor tells, joules since it was made."""

    def __init__(self, power: Path = _POWER) -> None:
        self.power = power
        self.started, self.cpu, self.energy = time.perf_counter(), _cpu_seconds(), _energy(power)

    def metrics(self) -> dict[str, float]:
        """`energy_joules` is of the whole processor, others' work included; it is left out where it cannot be read."""
        found = {"seconds": time.perf_counter() - self.started, "cpu_seconds": _cpu_seconds() - self.cpu}
        energy = _energy(self.power)
        if self.energy and energy.keys() == self.energy.keys():
            spent = {zone: energy[zone] - before for zone, before in self.energy.items()}
            # A counter begins anew when it is full; one that did so more than once cannot be told.
            whole = (joules if joules >= 0 else joules + _full(self.power, zone) for zone, joules in spent.items())
            found["energy_joules"] = sum(whole) / 1e6
        return found


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _energy(power: Path) -> dict[str, int]:
    """Microjoules of each processor package (Intel's RAPL counters); nothing where they are missing or not readable."""
    found = {}
    for zone in sorted(power.glob("intel-rapl:[0-9]*")):
        lines = _lines(zone / "energy_uj")
        if zone.name.count(":") == 1 and lines:
            found[zone.name] = int(lines[0])
    return found


def _full(power: Path, zone: str) -> int:
    lines = _lines(power / zone / "max_energy_range_uj")
    return int(lines[0]) if lines else 0
