"""A comparison as one page without a network: differences drawn on one scale, what differs, examples to filter."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from framing.evaluation import findings
from framing.evaluation.comparison import Comparison, Pair, System, schema_changes, what_differs
from framing.evaluation.findings import METRIC_NAMES, p_words, short, signed
from framing.evaluation.significance import HEADLINE, Difference

MAX_EXAMPLES = 2000
_WIDTH, _MIDDLE = 240, 120
_AREAS = {
    "model": "configuration",
    "training": "configuration",
    "folds": "configuration",
    "leave": "configuration",
    "seed": "configuration",
    "data": "data",
    "paragraphs": "data",
    "schema": "schema",
    "code": "code",
    "versions": "code",
}


def comparison_page(comparison: Comparison) -> str:
    """Self-contained HTML; all texts and names are escaped."""
    names = [system.name for system in comparison.systems]
    shown = files("framing.evaluation").joinpath("comparison_page.html").read_text(encoding="utf-8")
    scale = _scale(comparison.pairs)
    languages = sorted({record.language for record in comparison.gold.values()})
    warned = "".join(f"<li>{escape(line)}</li>" for line in findings.warnings(comparison))
    return Template(shown).substitute(
        title=escape(" against ".join(names)),
        subtitle=f"{len(comparison.gold)} paragraphs of {comparison.articles} articles, {len(languages)} languages",
        findings="".join(f'<p class="finding">{escape(line)}.</p>' for line in findings.findings(comparison)),
        warnings=f'<ul class="warnings">{warned}</ul>' if warned else "",
        pairs="\n".join(_pair(number, pair, scale) for number, pair in enumerate(comparison.pairs)),
        differs=_differs(comparison.systems),
        pair_options=_options([(str(n), f"{p.first} / {p.second}") for n, p in enumerate(comparison.pairs)]),
        label_options=_options([("", "all facets"), *_refs(comparison.pairs)]),
        language_options=_options([("", "all"), *((name, name) for name in languages)]),
        methods=escape(findings.methods(comparison.systems)),
        data=_data(comparison),
    )


def _options(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in pairs)


def _refs(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    rows = [row for pair in pairs for row in pair.rows]
    for facet in dict.fromkeys(row.facet for row in rows if row.facet):
        found.append((facet, f"{facet}: any label"))
        labels = dict.fromkeys(row.label for row in rows if row.facet == facet and row.label)
        found += [(f"{facet}/{label}", f"{facet}: {label}") for label in labels]
    return found


def _scale(pairs: Sequence[Pair]) -> float:
    """The largest difference or bound of all figures, up to the next tenth: one axis for all of them."""
    ends = [abs(v) for pair in pairs for row in pair.rows for v in (row.value, row.low, row.high) if v is not None]
    return max(0.1, math.ceil(max(ends, default=0.1) * 10 - 1e-9) / 10)


def _pair(number: int, pair: Pair, scale: float) -> str:
    overall = [row for row in pair.rows if not row.label and not row.language]
    labels = [row for row in pair.rows if row.label]
    languages = [row for row in pair.rows if row.language and row.metric in (HEADLINE, "macro_f1")]
    parts = [
        f'<h2><span class="first">{escape(pair.first)}</span> minus '
        f'<span class="second">{escape(pair.second)}</span></h2>',
        '<p class="meta">Line: 95 % interval; dot: difference, filled where one is shown (corrected p at most .05), '
        "hollow where not. Right of zero the first is better. All figures have the same axis.</p>",
        "<h3>Facets</h3>",
        _table(number, pair, overall, scale, "metric"),
        "<h3>Labels, F1</h3>",
        _table(number, pair, labels, scale, "label"),
    ]
    if languages:
        parts += ["<h3>Languages</h3>", _table(number, pair, languages, scale, "language")]
    return "\n".join(parts)


def _table(number: int, pair: Pair, rows: Sequence[Difference], scale: float, second: str) -> str:
    count = "positives" if second == "label" else "articles"
    heads = f"<th>facet<th>{second}<th class=num>{count}<th class='num first'>{escape(pair.first)}"
    heads += f"<th class='num second'>{escape(pair.second)}<th>{_axis(scale)}"
    heads += "<th class=num>difference<th class=num>p corrected"
    heads += "<th class=num>only first right<th class=num>only second right" if second == "label" else ""
    body, last = [], None
    for row in rows:
        start = ' class="facet"' if last not in (None, row.facet) else ""
        shown = escape(row.facet or "all facets") if row.facet != last else ""
        last = row.facet
        body.append(f"<tr{start}><td>{shown}{_cells(number, row, scale, second)}")
    return f'<div class="scroll"><table><thead><tr>{heads}</thead><tbody>{"".join(body)}</tbody></table></div>'


def _cells(number: int, row: Difference, scale: float, second: str) -> str:
    ref = f"{row.facet}/{row.label}"
    name = {
        "metric": METRIC_NAMES[row.metric],
        "language": row.language,
        "label": f'<button type="button" class="label" data-pair="{number}" data-ref="{escape(ref)}" '
        f'title="show the paragraphs">{escape(row.label)}</button>',
    }[second]
    count = row.support if second == "label" else row.articles
    bounds = "" if row.low is None or row.high is None else f" [{short(row.low)}, {short(row.high)}]"
    cells = f"<td>{name}<td class=num>{count}<td class=num>{short(row.first)}<td class=num>{short(row.second)}"
    cells += f"<td>{_strip(row, scale)}<td class=num>{signed(row.value)}{bounds}<td class=num>{p_words(row.corrected)}"
    if second == "label":
        cells += f"<td class=num>{row.only_first}<td class=num>{row.only_second}"
    return cells


def _x(value: float, scale: float) -> float:
    return round(_MIDDLE + value / scale * (_MIDDLE - 8), 1)


def _axis(scale: float) -> str:
    ticks = "".join(
        f'<text x="{_x(v, scale)}" y="10" text-anchor="middle">{signed(v) if v else "0"}</text>'
        for v in (-scale, -scale / 2, 0.0, scale / 2, scale)
    )
    # Room beside the outermost numbers.
    return f'<svg width="{_WIDTH}" height="12" viewBox="-12 0 {_WIDTH + 24} 12" aria-hidden="true">{ticks}</svg>'


def _strip(row: Difference, scale: float) -> str:
    kind = "ahead" if row.value >= 0 else "behind"
    marks = [
        f'<line class="axis" x1="{_x(v, scale)}" x2="{_x(v, scale)}" y1="0" y2="18"/>'
        for v in (-scale, -scale / 2, scale / 2, scale)
    ]
    marks.append(f'<line class="zero" x1="{_MIDDLE}" x2="{_MIDDLE}" y1="0" y2="18"/>')
    if row.low is not None and row.high is not None:
        ends = f'x1="{_x(row.low, scale)}" x2="{_x(row.high, scale)}"'
        marks.append(f'<line class="{kind}" {ends} y1="9" y2="9" stroke-width="2"/>')
    hollow = "" if row.shown else " open"
    marks.append(f'<circle class="{kind}{hollow}" cx="{_x(row.value, scale)}" cy="9" r="4" stroke-width="1.6"/>')
    view = f'width="{_WIDTH}" height="18" viewBox="-12 0 {_WIDTH + 24} 18"'
    return f'<svg {view} aria-hidden="true">{"".join(marks)}</svg>'


def _differs(systems: Sequence[System]) -> str:
    rows = what_differs(systems)
    parts = []
    if rows:
        heads = "".join(f"<th>{escape(system.name)}" for system in systems)
        body = "".join(
            f"<tr><td>{_area(row[0])}<td>{escape(row[0])}"
            + "".join(f"<td class=value>{escape(value) or '–'}" for value in row[1:])
            for row in sorted(rows, key=lambda row: (_area(row[0]), row[0]))
        )
        parts.append(
            f'<div class="scroll"><table><thead><tr><th>area<th>what{heads}</thead><tbody>{body}</tbody></table></div>'
        )
    else:
        parts.append("<p>Nothing is recorded in which they differ (prediction files say nothing of their making).</p>")
    first = systems[0]
    for other in systems[1:]:
        if first.schema is not None and other.schema is not None:
            changes = "".join(f"<li>{escape(line)}</li>" for line in schema_changes(first.schema, other.schema))
            if changes:
                parts.append(f"<h3>Schema: {escape(first.name)} against {escape(other.name)}</h3><ul>{changes}</ul>")
        codes = [system.facts.get("code", "").removesuffix("-dirty") for system in (first, other)]
        if all(codes) and codes[0] != codes[1]:
            parts.append(f'<p class="meta">Code: <code>git diff {escape(codes[1])} {escape(codes[0])}</code></p>')
    return "\n".join(parts)


def _area(name: str) -> str:
    return _AREAS.get(name.split(".")[0].split("_")[0], "run")


def _data(comparison: Comparison) -> str:
    """What the examples are drawn from, as JSON that cannot end the script it stands in."""
    facets = list(dict.fromkeys(row.facet for row in comparison.pairs[0].rows if row.facet))
    rows = []
    for record_id, gold in comparison.gold.items():
        said = [system.predicted[record_id].labels for system in comparison.systems]
        if all(_sets(own) == _sets(said[0]) for own in said):
            continue
        rows.append(
            {
                "id": record_id,
                "language": gold.language,
                "text": gold.text or comparison.systems[0].predicted[record_id].text,
                "gold": {facet: list(gold.labels[facet]) for facet in facets if facet in gold.labels},
                "said": [{facet: list(own.get(facet, ())) for facet in facets} for own in said],
            }
        )
    data: dict[str, Any] = {
        "systems": [system.name for system in comparison.systems],
        "pairs": [[0, number] for number in range(1, len(comparison.systems))],
        "facets": facets,
        "total": len(rows),
        "rows": rows[:MAX_EXAMPLES],
    }
    return json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")


def _sets(labels: Any) -> dict[str, set[str]]:
    return {facet: set(chosen) for facet, chosen in labels.items()}
