"""A comparison in words: what holds, what is not shown, and what the reader must know before believing it."""

from __future__ import annotations

from collections.abc import Sequence

from framing.evaluation.comparison import Comparison, Pair, System, schema_changes
from framing.evaluation.significance import ALPHA, HEADLINE, MIN_ARTICLES, Difference, smallest_p

METRIC_NAMES = {HEADLINE: "mean macro-F1", "macro_f1": "macro-F1", "micro_f1": "micro-F1", "f1": "F1"}


def findings(comparison: Comparison) -> list[str]:
    """One sentence a pair: where a difference is shown, with size, interval and p, and where none is."""
    return [_sentence(pair) for pair in comparison.pairs]


def _sentence(pair: Pair) -> str:
    rows = [row for row in pair.rows if not row.language and not row.label and row.metric in (HEADLINE, "macro_f1")]
    shown = [row for row in rows if row.shown]
    open_ones = [_where(row) for row in rows if not row.shown]
    parts = []
    for first, second, sign in ((pair.first, pair.second, 1), (pair.second, pair.first, -1)):
        own = [f"{_where(row)} by {_size(row, sign)}" for row in shown if row.value * sign > 0]
        if own:
            parts.append(f"{first} better than {second} in " + ", ".join(own))
    if open_ones:
        between = "" if parts else f" between {pair.first} and {pair.second}"
        parts.append(f"no difference shown{between} in " + ", ".join(open_ones))
    labels = [row for row in pair.rows if row.label and row.shown]
    if labels:
        ahead = [f"{row.facet}.{row.label} ({signed(row.value)})" for row in labels]
        parts.append(f"labels that differ ({pair.first} minus {pair.second}): " + ", ".join(ahead))
    return "; ".join(parts)


def _where(row: Difference) -> str:
    return " ".join(word for word in (row.facet, row.label, METRIC_NAMES[row.metric]) if word)


def _size(row: Difference, sign: int) -> str:
    low, high = sorted((sign * (row.low or 0.0), sign * (row.high or 0.0)))
    return f"{short(abs(row.value))} [{short(low)}, {short(high)}], {p_words(row.corrected)}"


def short(value: float, digits: int = 3) -> str:
    """`.031`, `-.004`, `1.000`: as scores are written."""
    text = f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no minus before nothing
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def signed(value: float) -> str:
    return text if (text := short(value)).startswith("-") else "+" + text


def p_words(p: float | None) -> str:
    if p is None:
        return "no test"
    return "p<.001" if p < 0.001 else f"p={short(p, 3 if p < 0.01 else 2)}"


def interval(row: Difference) -> str:
    """`+.031 [.004, .058]`, the interval where there is one."""
    if row.low is None or row.high is None:
        return signed(row.value)
    return f"{signed(row.value)} [{short(row.low)}, {short(row.high)}]"


def facet_rows(pair: Pair, languages: bool = False) -> list[list[str]]:
    """Cells of a table: facet, language, metric, first, second, difference, p, corrected p, articles."""
    rows = []
    for row in pair.rows:
        if row.label or (row.language and not languages):
            continue
        values = [short(row.first), short(row.second), interval(row), p_words(row.p), p_words(row.corrected)]
        place = [row.facet or "(all)", row.language or "all", METRIC_NAMES[row.metric]]
        rows.append([*place, *values, str(row.articles)])
    return rows


def label_rows(pair: Pair) -> list[list[str]]:
    """Facet, label, positives, first, second, difference, corrected p, paragraphs right in the first, second only."""
    return [
        [row.facet, row.label, str(row.support), short(row.first), short(row.second), interval(row),
         p_words(row.corrected), str(row.only_first), str(row.only_second)]
        for row in pair.rows if row.label
    ]  # fmt: skip


def warnings(comparison: Comparison) -> list[str]:
    """What makes a comparison less than it seems: few articles, other tests, other schemas, other data, leaks."""
    first, *others = comparison.systems
    found = _few_articles(comparison.articles)
    for other in others:
        found += _test_sets(first, other, len(comparison.gold))
        found += _schemas(first, other)
        found += _leaks(first, other) + _leaks(other, first)
        found += _data(first, other)
    return list(dict.fromkeys(found))


def _few_articles(articles: int) -> list[str]:
    if articles < MIN_ARTICLES:
        return [f"only {articles} articles: fewer than {MIN_ARTICLES} allow neither an interval nor a test"]
    least = smallest_p(articles)
    if least <= ALPHA:
        return []
    finding = (
        f"only {articles} articles: no p can be below {short(least)}, so no difference, however large, can be shown"
    )
    return [f"{finding} at {short(ALPHA, 2)}; intervals from so few articles are rough"]


def _test_sets(first: System, other: System, shared: int) -> list[str]:
    if len(first.gold) == len(other.gold) == shared:
        return []
    both = len(set(first.gold) & set(other.gold))
    found = [
        f"test sets differ: {first.name} has {len(first.gold)} paragraphs, {other.name} has {len(other.gold)}; "
        f"compared on the {shared} that they share"
    ]
    if both > shared:
        found.append(f"{both - shared} paragraphs are in both test sets with other text or other gold labels: left out")
    return found


def _schemas(first: System, other: System) -> list[str]:
    if first.schema is None or other.schema is None or first.schema.fingerprint == other.schema.fingerprint:
        return []
    changes = schema_changes(first.schema, other.schema)
    shown = "; ".join(changes[:4]) + (f"; and {len(changes) - 4} more" if len(changes) > 4 else "")
    return [f"schemas differ ({first.name} is the first, {other.name} the second): {shown}"]


def _leaks(one: System, other: System) -> list[str]:
    """Test articles of one that the other knew."""
    tested = {record.document for record in one.gold.values()}
    found = []
    for known, verb in ((other.learned, "was trained on"), (other.chosen_on, "was tuned (dev part) on")):
        if common := sorted(tested & known):
            names = ", ".join(common[:3]) + (" ..." if len(common) > 3 else "")
            found.append(f"{other.name} {verb} {len(common)} of the {len(tested)} test articles of {one.name}: {names}")
    return found


def _data(first: System, other: System) -> list[str]:
    found = []
    for known, part in (("learned", "training"), ("chosen_on", "dev")):
        one, two = getattr(first, known), getattr(other, known)
        if one != two and (one or two):
            counts = f"{first.name} has {len(one)}, {other.name} has {len(two)}, {len(one & two)} in both"
            found.append(f"{part} articles differ: {counts}")
    if not found and _known_fact(first, other, "data_fingerprint"):
        found.append("the data differ (texts or labels) though the articles are the same")
    return found


def _known_fact(first: System, other: System, key: str) -> bool:
    return key in first.facts and key in other.facts and first.facts[key] != other.facts[key]


def methods(systems: Sequence[System]) -> str:
    """How the numbers were made, for the foot of a table or page."""
    return (
        "Differences are first minus second. Interval: 95 %, paired bootstrap over articles, 10,000 draws. p: "
        "randomisation test that swaps whole articles (exact with up to 13); 'corrected': after Holm, over the facets "
        "or over the labels" + (", of all pairs." if len(systems) > 2 else ".")
    )
