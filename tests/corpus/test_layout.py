"""Pages laid out in tables: paragraphs of a cell stay apart, tables of figures stay tables."""

from __future__ import annotations

from pathlib import Path

from framing.corpus.layout import without_layout_tables
from framing.corpus.paragraphs import split_documents
from framing.corpus.reading import read_documents

SENTENCE = "The council met on day {} and put off its decision on the tolls until the envoy had come back."


def test_paragraphs_in_a_layout_table_come_out_one_by_one(tmp_path: Path) -> None:
    told = [SENTENCE.format(number) for number in range(4)]
    cell = "".join(f"<p>{text}</p>" for text in told)
    rows = f"<tr><td>Home News</td></tr><tr><td><h1>Tolls</h1>{cell}</td></tr>"
    (tmp_path / "a.html").write_text(f"<html><body><table><tbody>{rows}</tbody></table></body></html>")
    assert [p.text for p in split_documents(read_documents([tmp_path])) if p.text in told] == told


def test_what_a_reader_wrote_below_an_article_is_not_taken_for_it(tmp_path: Path) -> None:
    body = "".join(f"<p>{SENTENCE.format(number)}</p>" for number in range(4))
    comment = "<div id='comments' class='comments'><p>As always, much ado and no result at all, we shall see.</p></div>"
    (tmp_path / "a.html").write_text(f"<html><body><article>{body}</article>{comment}</body></html>")
    (document,) = read_documents([tmp_path])
    assert "much ado" not in document.text
    assert SENTENCE.format(3) in document.text


def test_a_table_of_figures_and_a_page_without_tables_stay_as_they_are() -> None:
    for page in (
        "<p>None</p>",
        "<html><body><TABLE><tr><td>wheat</td><td>12</td></tr></table><p>text</p></body></html>",
    ):
        assert without_layout_tables(page) == page


def test_a_page_that_declares_another_encoding_is_read_as_the_text_it_is() -> None:
    page = '<?xml version="1.0" encoding="latin-1"?><table><tr><td><p>Zürich</p><p>Köln \ud800</p></td></tr></table>'
    assert "<p>Zürich</p>" in without_layout_tables(page)
