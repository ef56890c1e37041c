"""YAML files: what is wrong with one is said with its line and its cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from framing.errors import FramingError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # eight times as fast where libyaml is there


def read_yaml(path: Path) -> tuple[str, Any]:
    """A file's text and the values in it; raises FramingError if it is not YAML in UTF-8."""
    try:
        text = path.read_text(encoding="utf-8")
        return text, yaml.load(text, LOADER)
    except UnicodeDecodeError as error:
        raise FramingError(str(path), f"not UTF-8 at byte {error.start}", "save the file as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise FramingError(place, f"not YAML ({getattr(error, 'problem', error)})", "mend the syntax") from None
