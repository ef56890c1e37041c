"""The model card of a run: what the tagger is for, what it learned from, how good it is, where not to trust it.

After "Model Cards for Model Reporting" (Mitchell et al. 2019). Everything in it comes from the run, the schema and the
head of the datasheet: another schema with other data makes another card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from framing.annotation.agreement import Agreement
from framing.config import RunConfig
from framing.dataset import Dataset
from framing.datasheet import Datasheet
from framing.evaluation.metrics import Score
from framing.evaluation.report import METRICS, facet_rows, label_rows
from framing.schema import Schema

MAX_DESCRIPTION = 4900
"""Characters that every MLflow store takes as a version's description (a column of 5,000 in some)."""

_RARE = 10
_RELIABLE = 0.667


@dataclass(frozen=True)
class CardFacts:
    """What a card is made from. `tags`: the run's lineage. `best`: mean macro-F1 on test with its interval."""

    name: str
    config: RunConfig
    schema: Schema
    parts: Mapping[str, Dataset]
    coders: Mapping[str, int]
    agreement: Sequence[Agreement]
    datasheet: Datasheet
    scores: Sequence[Score]
    best: Score
    tags: Mapping[str, str]


def model_card(facts: CardFacts) -> str:
    """The whole card as Markdown."""
    return "\n\n".join(section for section in (*_summary(facts), *_details(facts)) if section) + "\n"


def short_card(facts: CardFacts) -> str:
    """The card without the tables of labels, languages and agreement, cut to `MAX_DESCRIPTION` characters."""
    found = ""
    for section in (*_summary(facts), "Whole card: artifact `model_card.md` of the run."):
        if section and len(found) + len(section) + 2 <= MAX_DESCRIPTION:
            found += section + "\n\n"
    return found.strip()


def _summary(facts: CardFacts) -> list[str]:
    return [_head(facts), _use(facts), _data(facts), _scores(facts), _limits(facts), _licence(facts)]


def _details(facts: CardFacts) -> list[str]:
    return [_labels(facts), _languages(facts), _agreement(facts), _lineage(facts)]


def _head(facts: CardFacts) -> str:
    kind = {"bundled": "the bundled multilingual encoder", "tfidf": "TF-IDF and logistic regression"}
    model = kind.get(facts.config.model.kind) or f"the encoder {getattr(facts.config.model, 'name', '')}"
    facets = ", ".join(f"{facet.id} ({len(facet.labels)} labels, {facet.choice})" for facet in facts.schema.facets)
    value = _number(facts.best)
    return (
        f"# {facts.name}\n\nTags each paragraph by the labelling schema *{facts.schema.name}* "
        f"(fingerprint {facts.schema.fingerprint}): {facets}. Made from {model}. "
        f"Mean macro-F1 of the facets on test: **{value}**."
    )


def _use(facts: CardFacts) -> str:
    sheet = facts.datasheet
    use = _sentence(sheet.use) or "Not stated in the datasheet."
    against = f"\n\nNot for {sheet.not_for}." if sheet.not_for else ""
    return f"## Intended use\n{use}{against}"


def _data(facts: CardFacts) -> str:
    lines = ["## Data"]
    if facts.datasheet.texts:
        lines.append(f"Texts: {_sentence(facts.datasheet.texts)}")
    if facts.datasheet.coders:
        lines.append(f"Coders: {_sentence(facts.datasheet.coders)}")
    if not (facts.datasheet.texts or facts.datasheet.coders):
        lines.append("Who wrote and coded the texts is not stated (no datasheet).")
    rows = []
    for name, part in facts.parts.items():
        languages = ", ".join(sorted({paragraph.language for paragraph in part.paragraphs}))
        rows.append([name, str(len(part.documents)), str(len(part)), languages, part.fingerprint])
    lines.append(_table(["part", "articles", "paragraphs", "languages", "fingerprint"], rows))
    if facts.config.data.zero_shot:
        lines.append("**Nothing was learned from train and dev**: the heads start from the schema file alone.")
    if facts.agreement:
        alphas = ", ".join(f"{row.facet} {_alpha(row)}" for row in facts.agreement if not row.label)
        counts = ", ".join(f"{coder} {count}" for coder, count in list(facts.coders.items())[:6])
        more = f" and {len(facts.coders) - 6} more" if len(facts.coders) > 6 else ""
        lines.append(
            f"Agreement (Krippendorff's alpha over {facts.agreement[0].units} paragraphs coded twice or more): "
            f"{alphas}. Codings by coder: {counts}{more}."
        )
    return "\n\n".join(lines)


def _scores(facts: CardFacts) -> str:
    rows = [[row[0], row[2], *row[3:]] for row in facet_rows(facts.scores)]
    articles = len(facts.parts["test"].documents)
    note = f"On the test part, {articles} articles; 95 % intervals draw whole articles"
    note += ", of which there are few: they are rough." if articles < 30 else "."
    return f"## Scores\n{note}\n\n" + _table(["facet", "positives", *METRICS], rows)


def _limits(facts: CardFacts) -> str:
    """What the datasheet says, then what the numbers say by themselves."""
    found = list(facts.datasheet.limits)
    labels = [row for row in facts.scores if row.label and row.metric == "f1"]
    untested = [f"{row.facet}.{row.label}" for row in labels if row.support == 0]
    rare = [f"{row.facet}.{row.label}" for row in labels if 0 < row.support < _RARE]
    weak = [f"{row.facet}.{row.label}" for row in labels if row.support >= _RARE and row.value < 0.5]
    unsure = [f"{row.facet}.{row.label}" for row in facts.agreement if row.label and (row.alpha or 0) < _RELIABLE]
    for names, finding in (
        (untested, "Not tested, since they do not occur in test"),
        (rare, f"Fewer than {_RARE} positives in test, so their scores say little"),
        (weak, "F1 below .5"),
        (unsure, f"Coders agree poorly (alpha below {_RELIABLE})"),
    ):
        if names:
            found.append(f"{finding}: {', '.join(names)}.")
    known = {paragraph.language for paragraph in facts.parts["train"].paragraphs}
    if not facts.config.data.zero_shot:
        found.append(f"Languages outside {', '.join(sorted(known))} were not learned from.")
    return "## Limits\n" + "\n".join(f"- {line}" for line in found)


def _licence(facts: CardFacts) -> str:
    return f"## Licence\n{_sentence(facts.datasheet.licence) or 'Not stated in the datasheet.'}"


def _labels(facts: CardFacts) -> str:
    heads = ["facet", "label", "positives", "F1", "precision", "recall", "average precision"]
    return "## Scores by label\n" + _table(heads, label_rows(facts.scores))


def _languages(facts: CardFacts) -> str:
    rows = [row for row in facet_rows(facts.scores, languages=True) if row[1] != "all"]
    return "## Scores by language\n" + _table(["facet", "language", "positives", *METRICS], rows) if rows else ""


def _agreement(facts: CardFacts) -> str:
    rows = [[row.facet, row.label or "(all)", _alpha(row), str(row.units)] for row in facts.agreement]
    return "## Agreement of the coders\n" + _table(["facet", "label", "alpha", "coded twice"], rows) if rows else ""


def _lineage(facts: CardFacts) -> str:
    return "## Where it comes from\n" + _table(["what", "value"], [[k, v] for k, v in sorted(facts.tags.items())])


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _alpha(row: Agreement) -> str:
    return "undefined" if row.alpha is None else f"{row.alpha:.2f}"


def _number(row: Score) -> str:
    interval = "" if row.low is None or row.high is None else f" [{row.low:.3f}, {row.high:.3f}]"
    return f"{row.value:.3f}{interval}"


def _sentence(text: str) -> str:
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")
