"""Which words weighed in a decision: a text is read again without each of them.

Occlusion after Zeiler and Fergus (2014) and Li, Monroe and Jurafsky (2016, "Understanding neural networks through
representation erasure"). An indication, not an explanation: words that only work together, or that say the same twice,
do not show, and a text with a hole is none that the model learned from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from framing.inference.engine import Engine
from framing.records import Prediction
from framing.schema import Schema

Spans = list[tuple[int, int, float]]

# Scripts without spaces between words are cut into pairs of characters.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_PIECE = re.compile(rf"[{_UNSPACED}]{{1,2}}|[^\W{_UNSPACED}]+(?:['’\-][^\W{_UNSPACED}]+)*")
MOST_PARTS = 64
"""A text of more words has neighbours joined, so that no paragraph costs more readings than this."""


def parts(text: str, *, most: int = MOST_PARTS) -> list[tuple[int, int]]:
    """Spans of the words of `text`, in order; neighbours are joined where there are more than `most`."""
    spans = [match.span() for match in _PIECE.finditer(text)]
    if len(spans) <= most:
        return spans
    cuts = np.linspace(0, len(spans), most + 1).astype(int)
    return [(spans[a][0], spans[b - 1][1]) for a, b in zip(cuts, cuts[1:], strict=False)]


def log_odds(logits: NDArray[np.float32], schema: Schema) -> NDArray[np.float64]:
    """[texts x labels]: a logit as it is where any number of labels may hold, against all others where one must."""
    odds = logits.astype(np.float64)
    for facet in schema.facets:
        if facet.choice == "many" or len(facet.labels) < 2:
            continue
        columns = schema.columns(facet.id)
        scores = odds[:, columns]
        others = [np.logaddexp.reduce(np.delete(scores, place, axis=1), axis=1) for place in range(scores.shape[1])]
        odds[:, columns] = scores - np.stack(others, axis=1)
    return odds


def weigh(engine: Engine, schema: Schema, text: str, spans: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """[spans x labels]: how far each label's log-odds fall when that span alone is left out.

    Costs one reading of the text for each span and one more; of an engine that reads sentence by sentence too (a
    tagger is one) also one of each changed sentence.
    """
    without = [text[:start] + text[end:] for start, end in spans]
    odds = log_odds(engine.logits([text, *without]), schema)
    return np.asarray(odds[0] - odds[1:])


def evidence(engine: Engine, schema: Schema, found: Prediction, *, quiet: Iterable[str] = ()) -> dict[str, Spans]:
    """For each label chosen, by its reference: the spans of the text and their weights in log-odds, rounded.

    `quiet` names labels that need none. A text of one part only has nothing to compare with: no label is returned.
    """
    text = found.paragraph.text
    spans = parts(text)
    refs = [f"{facet}.{label}" for facet, chosen in found.labels.items() for label in chosen]
    refs = [ref for ref in refs if ref not in set(quiet)]
    if len(spans) < 2 or not refs:
        return {}
    weights = weigh(engine, schema, text, spans)
    return {
        ref: [
            (start, end, round(float(weight), 3))
            for (start, end), weight in zip(spans, weights[:, schema.select(ref).start], strict=True)
        ]
        for ref in refs
    }
