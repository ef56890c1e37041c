"""The house holds: floors, the one home of each big dependency, and a README that shows the tree as it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "framing"

# From the ground up. A room imports from floors below its own, or from its own wing.
FLOORS = [
    {"errors", "records"},
    {"schema", "yaml_file"},
    {"schema_file", "config", "corpus", "handbook", "datasheet"},
    {"tracking", "annotation", "reading_view"},
    {"dataset"},
    {"splits", "model", "evaluation"},
    {"trunk", "training", "inference"},
    {"serving", "demo", "learning", "scoring", "lineage", "summary"},
    {"registration", "promotion"},
    {"experiment"},
    {"sweep", "multirun"},
    {"cli"},
]

HOMES = {
    "hydra": {"cli.compose"},
    "omegaconf": {"cli.compose"},
    "typer": {"cli"},
    "rich": {"cli"},
    "mlflow": {"tracking", "serving"},
    "torch": {
        "model.backbone",
        "model.classifier",
        "model.dropout",
        "model.weights",
        "training",
        "trunk",
        "inference.graph",
        "inference.export",
    },
    "openvino": {"inference.compiled", "inference.graph"},
    "transformers": {"model.backbone", "model.tokenization"},
    "accelerate": {"learning"},
    "sklearn": {"model.baseline", "training", "evaluation.metrics", "splits"},
    "matplotlib": {"evaluation.plots", "sweep.plots"},
    "optuna": {"sweep.study", "sweep.search"},
    "filelock": {"tracking", "sweep.study"},
    "pandas": {"tracking", "serving"},
    "krippendorff": {"annotation.agreement"},
    "py3langid": {"corpus.language"},
    "lxml": {"corpus.layout"},
    "trafilatura": {"corpus.pages"},
    "markdown_it": {"corpus.pages"},
    "charset_normalizer": {"corpus.encoding"},
    "warcio": {"corpus.containers"},
    "pyarrow": {"corpus.containers", "corpus.tables", "inference.writing"},
    "pydantic": {"config", "schema_file", "inference.tagger"},
    "psutil": {"lineage", "tracking.liveness"},
    "starlette": {"demo"},
    "uvicorn": {"demo"},
    "yaml": {
        "corpus.pages",
        "schema_file",
        "yaml_file",
        "datasheet",
        "experiment",
        "sweep.search",
        "sweep.results",
        "cli.train",
        "cli.compose",
    },
}

FILES = sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{name.name}" for name in node.names if node.module.startswith("framing")}
    return found


def floor(name: str) -> int:
    wing = name.split(".")[0]
    return next(number for number, rooms in enumerate(FLOORS) if wing in rooms)


@pytest.mark.parametrize("path", [p for p in FILES if p.name != "__init__.py"], ids=room)
def test_a_room_imports_only_from_below_or_from_its_wing(path: Path) -> None:
    own = room(path)
    known = {room(other) for other in FILES}
    for name in imports(path):
        target = name.removeprefix("framing.")
        if not name.startswith("framing.") or target not in known:
            continue
        same_wing = "." in own and target.split(".")[0] == own.split(".")[0]
        assert same_wing or floor(target) < floor(own), f"{own} imports {target}"


@pytest.mark.parametrize("path", FILES, ids=room)
def test_a_big_dependency_is_imported_only_in_its_home(path: Path) -> None:
    own = room(path)
    for name in imports(path):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or any(own == home or own.startswith(f"{home}.") for home in homes), f"{own}: {name}"


def test_the_doors_of_wings_are_empty() -> None:
    for door in SOURCE.glob("*/__init__.py"):
        assert door.read_text() == "", door


def test_a_wing_has_three_rooms_or_more() -> None:
    for door in SOURCE.glob("*/__init__.py"):
        assert len(list(door.parent.glob("*.py"))) > 3, door.parent


def test_the_face_imports_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, framing; sys.exit('torch' in sys.modules or 'mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_readme_names_every_room_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = readme.split("## The tree")[1]
    for path in FILES:
        if path.name != "__init__.py":
            assert f"{path.name} " in tree, f"README's tree lacks {path.relative_to(ROOT)}"
    named = {line.split()[0] for line in tree.splitlines() if line.strip() and line.split()[0].endswith(".py")}
    assert named <= {path.name for path in FILES} | {p.name for p in (ROOT / "tests").rglob("*.py")}


def test_no_module_has_grown_beyond_a_room() -> None:
    for path in FILES:
        assert path.read_text(encoding="utf-8").count("\n") <= 400, path
