"""Where a run comes from: code, schema, data, packages and machine, as tags that compare."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version

from framing.config import RunConfig
from framing.dataset import Dataset
from framing.schema import Schema


def lineage_tags(config: RunConfig, schema: Schema, dataset: Dataset) -> dict[str, str]:
    """Lineage: from which code, schema, data and machine a run comes."""
    return {
        "model": config.model.kind,
        "data": config.data.name,
        "schema": schema.name,
        "schema_fingerprint": schema.fingerprint,
        "data_fingerprint": dataset.fingerprint,
        "code": _code_version(),
        "versions": ", ".join(f"{name} {version(name)}" for name in ("framing", "torch", "transformers")),
        "machine": f"{platform.machine()} {platform.system()}, Python {platform.python_version()}",
    }


def _code_version() -> str:
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=10, check=True
        )
        return described.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return f"framing {version('framing')}"
