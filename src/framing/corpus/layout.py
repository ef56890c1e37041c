"""Pages that are laid out in tables, as pages without tables: their cells are blocks of text, not figures."""

from __future__ import annotations

from lxml import html

_BLOCKS = "descendant::*[self::p or self::h1 or self::h2 or self::h3 or self::ul or self::article]"
_PARTS = ("table", "tbody", "thead", "tfoot", "tr", "td", "th")


def without_layout_tables(source: str) -> str:
    """The page with every table that holds paragraphs or headings turned into plain blocks; others are left alone.

    An extractor of main text reads a table as one row of figures a line, and so joins all paragraphs of a cell.
    """
    if "<table" not in source.lower():
        return source
    # bytes, since a page may declare an encoding that its text no longer has
    tree = html.fromstring(source.encode("utf-8", "replace"), parser=html.HTMLParser(encoding="utf-8"))
    tables = [table for table in tree.iter("table") if len(table.xpath(_BLOCKS)) > 1]
    for table in tables:
        for part in [table, *table.xpath("tbody|thead|tfoot|tr|*/tr|tr/td|tr/th|*/tr/td|*/tr/th")]:
            if part.tag in _PARTS:
                part.tag = "div"
    return html.tostring(tree, encoding="unicode") if tables else source
