"""What an annotated corpus holds: counts by label, language and coder, lengths, agreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from framing.annotation.adjudication import by_paragraph, gold
from framing.annotation.agreement import agreement
from framing.records import Annotation, Paragraph
from framing.schema import Schema


def statistics(paragraphs: Sequence[Paragraph], annotations: Sequence[Annotation], schema: Schema) -> dict[str, Any]:
    """Plain values, ready for JSON. Labels are counted as adjudicated; `share` is of the decided paragraphs."""
    decided = gold(by_paragraph(annotations), schema)
    rows = [(paragraph, decided[paragraph.id]) for paragraph in paragraphs if paragraph.id in decided]
    alphas = {(row.facet, row.label): row for row in agreement(annotations, schema)}
    labels = []
    for facet in schema.facets:
        chosen = [labels[facet.id] for _, labels in rows if facet.id in labels]
        for label_id in ("", *(label.id for label in facet.labels)):
            count = sum((label_id in found) if label_id else bool(found) for found in chosen)
            alpha = alphas[facet.id, label_id]
            labels.append(
                {
                    "facet": facet.id,
                    "label": label_id,
                    "count": count,
                    "share": count / len(chosen) if chosen else 0.0,
                    "alpha": alpha.alpha,
                    "units": alpha.units,
                }
            )
    by_language: dict[str, Counter[str]] = {}
    pairs: Counter[str] = Counter()
    for paragraph, found in rows:
        refs = [f"{facet}.{label}" for facet, chosen in found.items() for label in chosen]
        by_language.setdefault(paragraph.language, Counter()).update(refs)
        pairs.update(f"{a} {b}" for a in refs for b in refs)
    return {
        "paragraphs": len(paragraphs),
        "annotated": len(rows),
        "documents": len({paragraph.document for paragraph in paragraphs}),
        "coders": dict(Counter(a.coder for a in annotations).most_common()),
        "languages": dict(Counter(paragraph.language for paragraph in paragraphs).most_common()),
        "labels": labels,
        "label_by_language": {language: dict(counts) for language, counts in by_language.items()},
        "together": dict(pairs),
        "words": [len(paragraph.text.split()) for paragraph, _ in rows],
    }
