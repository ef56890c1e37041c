"""Markdown as its reader sees it; HTML in its own encoding."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from framing.corpus.pages import read_html, read_markdown
from framing.corpus.paragraphs import split_document
from framing.corpus.reading import read_documents

MARKDOWN = """---
title: A trip
lang: en
date: 2024-01-02
---
# Talks begin

The **minister** said [talks](http://x) would
start *today*. <!-- not this -->

- first
- second

```
code
```
"""


def test_markdown_is_read_without_its_marks() -> None:
    document = read_markdown(MARKDOWN, "m", "m.md")
    lines = [p.text for p in split_document(document)]
    assert lines == ["Talks begin", "The minister said talks would start today.", "first", "second", "code"]
    assert document.metadata == {"source": "m.md", "title": "A trip", "language": "en", "date": "2024-01-02"}


def test_escapes_in_front_matter_are_whole_characters() -> None:
    front = '---\ntitle: "\\ud83d\\ude00 and \\ud800"\n---\nText.'
    assert read_markdown(front, "m", "m.md").metadata["title"] == "\U0001f600 and \ufffd"


@given(st.text(), st.sampled_from(["", "---\n", "---\na: b\n---\n", "# ", "<div>"]))
def test_any_text_is_some_markdown(text: str, opening: str) -> None:
    read_markdown(opening + text, "m", "m.md")


def test_a_page_in_an_old_encoding_says_so_itself(tmp_path: Path) -> None:
    body = "<p>Министр заявил, что переговоры начнутся на следующей неделе.</p>" * 3
    page = f"<html><head><meta charset=windows-1251><title>Мир</title></head><body><article>{body}</article></body>"
    (tmp_path / "p.html").write_bytes(page.encode("cp1251"))
    (document,) = read_documents([tmp_path])
    assert "переговоры начнутся" in document.text
    assert document.metadata["title"] == "Мир"


def test_a_null_in_a_page_does_no_harm() -> None:
    body = "<p>The minister\x00 said that talks would begin next week in the city.</p>" * 2
    assert "The minister said" in read_html(f"<html><body><article>{body}</article></body></html>", "p", "p").text
