"""Pages into documents: the main text of HTML, the plain text of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from framing.corpus.layout import without_layout_tables
from framing.corpus.tables import whole_unicode
from framing.errors import FramingError
from framing.records import Document

_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?\n)---[ \t]*\r?(?:\n|\Z)", re.DOTALL)
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)")
_HEAD = 2048


def declared_charset(data: bytes) -> str:
    """The charset that an HTML page declares of itself; "" if none."""
    found = _CHARSET.search(data[:_HEAD])
    return found.group(1).decode("ascii").lower() if found else ""


def read_html(html: str, place: str, document_id: str, url: str = "") -> Document:
    """The page's main text by trafilatura: the furniture that is left is for the facet `kind` to find."""
    import trafilatura

    html = whole_unicode(html.replace("\x00", ""))
    try:
        html = without_layout_tables(html)
        text = trafilatura.extract(html, favor_recall=True, include_comments=False, include_tables=True)
        found = trafilatura.extract_metadata(html) if text else None
    except Exception as error:  # a page can be broken in any way: it must not end the run over a million others
        finding = f"this page cannot be read ({type(error).__name__}: {error!s:.80})"
        raise FramingError(place, finding, "save its text as .txt") from error
    if not text:
        raise FramingError(place, "no text found in this page", "is it an article? save its text as .txt")
    facts = {"title": found.title, "date": found.date, "language": found.language, "source": found.url} if found else {}
    if url:
        facts["source"] = url
    return Document(document_id, text, {key: str(value) for key, value in facts.items() if value})


def read_markdown(source: str, document_id: str, name: str) -> Document:
    """The text that a reader of the rendered page sees, a block a line; front matter becomes metadata."""
    from markdown_it import MarkdownIt

    facts, body = _front_matter(source)
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(body)
    lines, heading = [], ""
    for place, token in enumerate(tokens):
        if token.type == "inline":
            line = _plain(token.children or [])
            if tokens[place - 1].type == "heading_open" and tokens[place - 1].tag == "h1":
                heading = heading or line
        elif token.type in ("fence", "code_block"):
            line = token.content.strip("\n")
        elif token.type == "html_block":
            line = re.sub(r"<!--.*?-->|<[^>]*>", " ", token.content, flags=re.DOTALL).strip()
        else:
            continue
        if line.strip():
            lines.append(line)
    metadata = {"source": name, **({"title": heading} if heading else {}), **facts}
    return Document(document_id, "\n\n".join(lines), metadata)


def _plain(children: Iterable[Any]) -> str:
    pieces = []
    for child in children:
        if child.type in ("text", "code_inline"):
            pieces.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            pieces.append(" ")
        elif child.type == "image":
            pieces.append(_plain(child.children or []))
    return "".join(pieces)


def _front_matter(source: str) -> tuple[dict[str, str], str]:
    """Title, date and language of a YAML block that opens the file, and the rest; what is no such block is text."""
    import yaml

    found = _FRONT_MATTER.match(source)
    if not found:
        return {}, source
    try:
        values = yaml.safe_load(found.group(1))
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}, source
    if not isinstance(values, dict):
        return {}, source
    facts = {key: str(values[key]) for key in ("title", "date", "language") if values.get(key) is not None}
    lang = values.get("lang")
    facts = ({"language": str(lang)} if lang else {}) | facts
    # as in JSON, escapes can spell halves of characters
    return {key: whole_unicode(value) for key, value in facts.items()}, source[found.end() :]
