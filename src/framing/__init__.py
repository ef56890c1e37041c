"""Stance and framing classifiers for news, from a codebook and annotation files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framing.records import Annotation, Document, Labels, Paragraph, Prediction
from framing.schema import Schema
from framing.schema_file import read_schema

if TYPE_CHECKING:
    from framing.inference.tagger import Tagger

__version__ = "0.1.0"
__all__ = ["Annotation", "Document", "Labels", "Paragraph", "Prediction", "Schema", "Tagger", "read_schema"]


def __getattr__(name: str) -> Any:
    # A tagger brings numerical libraries along; who only reads schemas and records should not wait for them.
    if name == "Tagger":
        from framing.inference.tagger import Tagger

        return Tagger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
