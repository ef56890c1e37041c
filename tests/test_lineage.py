"""What a run costs and where it comes from, as far as the machine tells."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from framing import lineage
from framing.datasheet import Datasheet, read_datasheet
from framing.errors import FramingError
from framing.lineage import Meter, write_environment

ROOT = Path(__file__).resolve().parent.parent


def power(folder: Path, microjoules: int) -> None:
    for zone in ("intel-rapl:0", "intel-rapl:0:0"):
        (folder / zone).mkdir(parents=True, exist_ok=True)
        (folder / zone / "energy_uj").write_text(f"{microjoules}\n")
        (folder / zone / "max_energy_range_uj").write_text("10000000\n")


def test_energy_is_measured_where_the_processor_tells_and_its_counter_may_begin_anew(tmp_path: Path) -> None:
    power(tmp_path, 9_000_000)
    meter = Meter(tmp_path)
    power(tmp_path, 2_000_000)
    assert meter.metrics()["energy_joules"] == pytest.approx(3), "of the package, not of its parts again"
    assert "energy_joules" not in Meter(tmp_path / "none").metrics()
    assert meter.metrics()["cpu_seconds"] >= 0


def test_the_environment_names_every_package(tmp_path: Path) -> None:
    write_environment(tmp_path)
    assert {"mlflow", "numpy", "torch"} <= {
        line.split("==")[0] for line in (tmp_path / "packages.txt").read_text().splitlines()
    }


def test_uncommitted_changes_are_kept_though_they_are_not_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)

    git("init", "--quiet")
    (tmp_path / "text.txt").write_bytes(b"cafe\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "one")
    (tmp_path / "text.txt").write_bytes(b"caf\xe9\n")
    monkeypatch.setattr(lineage, "_PACKAGE", tmp_path)
    monkeypatch.setattr(lineage, "_code_version", lambda: "abc-dirty")
    write_environment(tmp_path)
    assert "+caf\ufffd\n" in (tmp_path / "uncommitted.diff").read_text(encoding="utf-8")


def test_the_head_of_a_datasheet_is_read_and_its_faults_are_named(tmp_path: Path) -> None:
    own = read_datasheet(ROOT / "data" / "README.md")
    assert "synthetic" in own.texts
    assert "language models" in own.coders
    assert own.limits
    assert read_datasheet(None) == Datasheet()
    (tmp_path / "plain.md").write_text("# No head\n")
    assert read_datasheet(tmp_path / "plain.md") == Datasheet()
    for text, finding in (
        ("---\nlicense: MIT\n---\n", "unknown key 'license'"),
        ("---\nlicence: [\n---\n", "not YAML"),
        ("---\nlimits: many\n---\n", "'limits' is no list"),
        ("---\nMIT\n---\n", "holds no keys"),
    ):
        (tmp_path / "bad.md").write_text(text)
        with pytest.raises(FramingError, match=finding):
            read_datasheet(tmp_path / "bad.md")
    with pytest.raises(FramingError, match="no such datasheet"):
        read_datasheet(tmp_path / "none.md")
