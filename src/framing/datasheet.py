"""The head of a datasheet: what a model card must say of the data, as YAML between two lines of `---`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from framing.errors import FramingError, did_you_mean

_WORDS = ("texts", "coders", "licence", "use", "not_for")


@dataclass(frozen=True, slots=True)
class Datasheet:
    """Sentences without a full stop; "" where the datasheet does not say."""

    texts: str = ""
    coders: str = ""
    licence: str = ""
    use: str = ""
    not_for: str = ""
    limits: tuple[str, ...] = ()


def read_datasheet(path: Path | None) -> Datasheet:
    """The head of the file; nothing said where there is no file or no head. Raises FramingError if it is malformed."""
    if path is None:
        return Datasheet()
    if not path.is_file():
        raise FramingError(str(path), "no such datasheet", "set data.datasheet to a file, or to null")
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in lines[1:]:
        return Datasheet()
    try:
        values: Any = yaml.safe_load("\n".join(lines[1 : lines.index("---", 1)]))
    except yaml.YAMLError as error:
        raise FramingError(str(path), f"its head is not YAML ({str(error).splitlines()[0]})", "mend it") from None
    if not isinstance(values, dict):
        raise FramingError(str(path), "its head holds no keys", "write `licence: ...` and the like")
    known = (*_WORDS, "limits")
    for key in values:
        if key not in known:
            raise FramingError(str(path), f"unknown key {key!r} in its head", did_you_mean(str(key), known))
    limits = values.get("limits") or ()
    if not isinstance(limits, list | tuple):
        raise FramingError(str(path), "'limits' is no list", "write one `- sentence` a line")
    words = {key: " ".join(str(values.get(key) or "").split()) for key in _WORDS}
    return Datasheet(**words, limits=tuple(" ".join(str(limit).split()) for limit in limits))
