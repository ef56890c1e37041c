"""From a run that has been scored to a version of the registered model: its card, its tags, its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from framing import serving
from framing.annotation.agreement import agreement
from framing.annotation.store import read_annotations
from framing.config import RunConfig
from framing.dataset import Dataset
from framing.datasheet import read_datasheet
from framing.evaluation.metrics import Score
from framing.evaluation.model_card import CardFacts, short_card
from framing.schema import Schema
from framing.tracking import registry


def card_facts(
    config: RunConfig,
    schema: Schema,
    *,
    name: str,
    parts: Mapping[str, Dataset],
    scores: Sequence[Score],
    best: Score,
    tags: Mapping[str, str],
) -> CardFacts:
    """What a card is made from: the run's own facts, who coded the data and how far they agree, and its datasheet."""
    placed, _ = read_annotations(config.data.annotations, schema)
    annotations = [item.annotation for item in placed]
    coders = dict(Counter(a.coder for a in annotations).most_common())
    sheet, alphas = read_datasheet(config.data.datasheet), agreement(annotations, schema)
    return CardFacts(name, config, schema, parts, coders, alphas, sheet, scores, best, tags)


def register_run(facts: CardFacts, folder: Path) -> tuple[int | None, bool]:
    """Log and register a tagger's folder, with its card as description; its number, and whether it is champion.

    The first one is champion, since there is no other. Every later one is the challenger until `framing promote` has
    compared the two: a run does not judge itself.
    """
    tracking = facts.config.tracking
    if not (tracking.enabled and tracking.register_model):
        return None, False
    uri = serving.log_tagger(folder, facts.schema, [f"framing=={version('framing')}"])
    tags = {
        "schema": facts.schema.fingerprint,
        "data": facts.config.data.name,
        **{part: data.fingerprint for part, data in facts.parts.items()},
    }
    before = registry.champion(tracking)
    number = registry.register(tracking, uri, tags, short_card(facts))
    if before is None:
        registry.promote(tracking, number, {"promoted_because": "the first registered version"})
        return number, True
    registry.challenge(tracking, number)
    return number, False
