"""The coder's handbook: one page made from the schema, to read on a screen or on paper."""

from __future__ import annotations

from html import escape

from framing.schema import Constraint, Facet, Label, Schema

_STYLE = """
:root { color-scheme: light dark; --edge: #8884; --soft: #8881; }
body { font: 16px/1.55 Georgia, serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3, nav, .id, th { font-family: system-ui, sans-serif; }
h2 { border-bottom: 2px solid var(--edge); margin-top: 3rem; }
h3 { margin: 2rem 0 .3rem; }
.id { font: .8rem ui-monospace, monospace; background: var(--soft); padding: .1rem .4rem; border-radius: .3rem; }
.group { font: .75rem system-ui, sans-serif; border: 1px solid var(--edge); border-radius: 1rem; padding: 0 .5rem; }
.diplomacy { border-color: #2a9d5c; } .coercion { border-color: #c8442c; } .opposition { border-color: #c9971c; }
ul { margin: .3rem 0; padding-left: 1.2rem; } li { margin: .2rem 0; }
.yes::marker { content: "✓  "; color: #2a9d5c; } .no::marker { content: "✗  "; color: #c8442c; }
.not { color: #c8442c; } .meta { opacity: .7; font-size: .85rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem .9rem; font-size: .85rem; }
@media print { body { font-size: 10.5pt; margin: 0; max-width: none; } nav { display: none; }
  h3, li { break-inside: avoid; break-after: avoid; } }
"""


def handbook_html(schema: Schema) -> str:
    """A self-contained page; all text of the schema is escaped."""
    links = "".join(f'<a href="#{label.ref}">{escape(label.name)}</a>' for label in schema.labels)
    facets = "\n".join(_facet(facet) for facet in schema.facets)
    rules = "".join(f"<li>{escape(rule.strip())}</li>" for rule in schema.rules)
    constraints = "".join(f"<li>{_constraint(rule)}</li>" for rule in schema.constraints)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(schema.name)}: coder's handbook</title><style>{_STYLE}</style></head><body>
<h1>{escape(schema.name)}: coder's handbook</h1>
<p>{escape(schema.description.strip())}</p>
<p class="meta">{len(schema.labels)} labels in {len(schema.facets)} facets; schema fingerprint {schema.fingerprint}</p>
<nav>{links}</nav>
{facets}
<h2>Decision rules</h2><ol>{rules}</ol>
<h2>What must fit together</h2><ul>{constraints}</ul>
</body></html>
"""


def _facet(facet: Facet) -> str:
    choice = "exactly one label" if facet.choice == "one" else "any number of labels, none included"
    labels = "\n".join(_label(label) for label in facet.labels)
    return f"""<h2>{escape(facet.name)} <span class="id">{facet.id}</span></h2>
<p>{escape(facet.description.strip())} <em>Choose {choice}.</em></p>
{labels}"""


def _label(label: Label) -> str:
    group = f' <span class="group {escape(label.group)}">{escape(label.group)}</span>' if label.group else ""
    refusal = f'<p class="not">Not when: {escape(label.not_when.strip())}</p>' if label.not_when else ""
    examples = "".join(f'<li class="yes">{escape(text)}</li>' for text in label.examples)
    misses = "".join(
        f'<li class="no">{escape(miss.text)} <em>({escape(miss.instead)})</em></li>' for miss in label.near_misses
    )
    return f"""<h3 id="{label.ref}">{escape(label.name)} <span class="id">{label.id}</span>{group}</h3>
<p>{escape(label.definition.strip())}</p>{refusal}<ul>{examples}{misses}</ul>"""


def _constraint(rule: Constraint) -> str:
    parts = []
    if rule.excludes:
        parts.append("excludes " + ", ".join(f'<span class="id">{ref}</span>' for ref in rule.excludes))
    if rule.requires:
        parts.append("requires " + " or ".join(f'<span class="id">{ref}</span>' for ref in rule.requires))
    return f'<span class="id">{rule.when}</span> ' + " and ".join(parts)
