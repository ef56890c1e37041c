"""The reading view: what it holds, that text is never markup, and what a browser does with it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromium import BINARY, MISSING, Browser
from framing.errors import FramingError
from framing.handbook import handbook_html
from framing.reading_view import Notes, _safe, write_page
from framing.records import Labels, Paragraph, Prediction
from framing.schema import Facet, Label, Schema

HOSTILE = [
    "<script>window.planted = 1; alert(1)</script>",
    "</script><script>window.planted = 2</script><!--",
    "<img src=x onerror='window.planted = 3'><svg onload=window.planted=4>",
    "<!--<script>",
    "=cmd|' /C calc'!A0",
    "before \u202eafter the override\u202c",
    "a\u2028b\u2029c",
    "null \x00 byte, bell \x07",
    "a lone surrogate \ud800 here",
    "{{data}} {{policy}} {{title}} ${1+1} `x`",
    "&lt;b&gt; &amp; \"'",
]


def tagged(text: str, position: int = 1, document: str = "d", labels: Labels | None = None, **about: Any) -> Prediction:
    chosen = {"kind": ("body",), "stance": (), "holder": ()} if labels is None else labels
    shares = {
        "kind": {"body": 0.9, "furniture": 0.1},
        "stance": {"talks": 0.8, "attack": 0.3},
        "holder": {"north": 0.55, "south": 0.1},
    }
    paragraph = Paragraph(
        f"{document}:{position}", document, position, 0, len(text), text, about.get("language", "en"), ""
    )
    return Prediction(paragraph, chosen, shares, about.get("model", "m"))


TALKS: Labels = {"kind": ("body",), "stance": ("talks",), "holder": ("north",)}
SHARE: Labels = {"kind": ("furniture",), "stance": (), "holder": ()}


def page(predictions: list[Prediction], schema: Schema, **options: Any) -> str:
    file = io.StringIO()
    write_page(predictions, schema, file, **options)
    return file.getvalue()


def data_of(text: str) -> Any:
    (block,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(block)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
@settings(max_examples=60)
def test_embedded_json_comes_back_and_holds_no_character_of_markup(value: Any) -> None:
    safe = _safe(value)
    assert json.loads(safe) == value
    assert not set("<>&\u2028\u2029") & set(safe)
    safe.encode("utf-8")


def test_a_page_holds_every_paragraph_with_labels_probabilities_and_facts(small_schema: Schema) -> None:
    notes = Notes({"a": {"date": "2024-02-13T10:00", "source": "https://www.news.example/x", "title": "The talks"}})
    told = [tagged("They want talks.", 1, "a", TALKS), tagged("Share this", 2, "2023-05-01_b", SHARE)]
    data = data_of(page(told, small_schema, title="T", notes=notes))
    assert [p["t"] for p in data["paragraphs"]] == ["They want talks.", "Share this"]
    assert data["paragraphs"][0]["c"] == [0, 2, 4]
    assert data["paragraphs"][0]["p"] == [900, 100, 800, 300, 550, 100]
    first, second = data["documents"]
    assert (first["title"], first["origin"], first["date"]) == ("The talks", "news.example", "2024-02-13")
    assert second["date"] == "2023-05-01"


def test_the_parts_of_the_facets_follow_from_the_schema(small_schema: Schema, real_schema: Schema) -> None:
    schema = data_of(page([tagged("x")], small_schema))["schema"]
    assert (schema["kind"], schema["rows"], schema["columns"]) == ("kind", "stance", "holder")
    assert (schema["quiet"], schema["furniture"]) == ([0], [1])
    one = Schema("tone", "d", (Facet("tone", "Tone", "one", "", (Label("good", "tone", "Good", "Good."),)),))
    paragraph = Paragraph("a:1", "a", 1, 0, 1, "x", "en")
    alone = data_of(page([Prediction(paragraph, {"tone": ("good",)}, {}, "")], one))
    assert (alone["schema"]["rows"], alone["schema"]["columns"], alone["schema"]["kind"]) == ("tone", "", "")
    assert "p" not in alone["paragraphs"][0]


def test_nothing_to_show_and_foreign_labels_are_errors(small_schema: Schema) -> None:
    with pytest.raises(FramingError, match="no paragraph"):
        page([], small_schema)
    with pytest.raises(FramingError, match="unknown label 'war'"):
        page([tagged("x", labels={"stance": ("war",)})], small_schema)


def test_the_page_allows_its_own_code_alone(small_schema: Schema) -> None:
    text = page([tagged("x")], small_schema, title="</title><script>1</script>")
    assert "default-src 'none'; script-src 'sha256-" in text
    assert "unsafe" not in text
    assert text.count("<script>") == 1
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)


# ---- in a browser ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if BINARY is None:
        pytest.skip(MISSING)
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


def show(browser: Browser, text: str, folder: Path, name: str = "page.html") -> None:
    (folder / name).write_text(text, encoding="utf-8")
    browser.open((folder / name).as_uri())


def test_hostile_texts_are_shown_and_do_nothing(browser: Browser, small_schema: Schema, tmp_path: Path) -> None:
    told = [tagged(text, number, labels=TALKS) for number, text in enumerate(HOSTILE, 1)]
    told += [tagged("Other article", 1, text, TALKS) for text in HOSTILE]
    facts = {text: {"title": text, "source": text, "date": "2024-01-01"} for text in HOSTILE}
    notes = Notes(facts, {"d:1": {"stance.talks": [(0, 8, 1.0), (9, 15, -0.5)]}})
    show(browser, page(told, small_schema, title=HOSTILE[1], notes=notes), tmp_path)
    assert browser.run("document.querySelectorAll('.shelf li').length") == 1 + len(HOSTILE)
    for script in (
        "go({ ...fresh(), view: 'read', doc: 0 })",
        "go({ q: 'script' })",
        "go({ ...fresh(), view: 'read' })",
    ):
        browser.run(script)
        for button in ("'.mark'", "'.linklike'"):
            browser.run(f"document.querySelectorAll({button}).forEach((one) => one.click())")
    browser.run("go({ ...fresh(), view: 'read', doc: 0 })")
    shown = browser.run("[...document.querySelectorAll('.para .text')].map((one) => one.textContent)")
    visible = [re.sub("[\x00-\x08]", "\ufffd", text).replace("\ud800", "\ufffd") for text in HOSTILE]
    assert [text.replace("\ud800", "\ufffd") for text in shown] == visible
    assert browser.run("window.planted") is None
    assert browser.run("document.querySelectorAll('main script, main img, main svg').length") == 0
    assert browser.faults() == []
    assert len(browser.requests()) == 1


def test_an_override_of_direction_ends_with_its_paragraph(
    browser: Browser, small_schema: Schema, tmp_path: Path
) -> None:
    told = [
        tagged("left \u202eright to left from here", 1),
        tagged("plain", 2),
        tagged("مرحبا بالعالم", 3, language="ar"),
    ]
    show(browser, page(told, small_schema), tmp_path)
    texts = "[...document.querySelectorAll('.para .text')]"
    assert browser.run(f"{texts}.map((one) => getComputedStyle(one).direction)") == ["ltr", "ltr", "rtl"]
    assert browser.run(f"{texts}[2].lang") == "ar"


def test_filters_search_and_keys_lead_through_the_text(browser: Browser, small_schema: Schema, tmp_path: Path) -> None:
    told = [tagged("The North offers talks in Zürich.", 1, "a", TALKS), tagged("Share this", 2, "a", SHARE)]
    told += [tagged("Nothing happened.", 1, "b"), tagged("More talks.", 2, "b", TALKS)]
    show(browser, page(told, small_schema), tmp_path)
    says = "document.querySelector('.says').firstChild.textContent.trim()"
    assert browser.run("document.querySelector('.cross td button').textContent") == "2"
    browser.run("document.querySelector('.cross td button').click()")
    assert browser.run(says) == "2 of 4 paragraphs"
    browser.run("document.querySelector('[data-ref=\"holder.south\"]').click()")
    assert browser.run(says) == "2 of 4 paragraphs"  # holders are alternatives
    browser.run("document.querySelector('[data-ref=\"holder.north\"]').click()")
    assert browser.run(says) == "0 of 4 paragraphs"
    browser.press("x")
    browser.press("/")
    for letter in "zurich":
        browser.press(letter)
    browser.wait("document.querySelector('main mark')")
    assert browser.run("document.querySelector('main mark').textContent") == "Zürich"
    browser.press("Escape")
    browser.press("x")
    browser.press("]")
    browser.press("j")
    assert browser.run("document.activeElement.ariaLabel") == "Paragraph 1"
    browser.press("Enter")
    assert "Wants to talk" in browser.run("document.querySelector('.card').textContent")
    browser.press("b")
    assert browser.run("document.querySelectorAll('.para').length") == 1
    assert "1 paragraph: furniture" in browser.run("document.querySelector('.fold').textContent")
    browser.press("?")
    assert browser.run("document.querySelector('#help').open")
    assert browser.run("document.querySelectorAll('#help kbd').length") > 8
    browser.run("history.back()")
    browser.wait("location.hash !== '#read=a&fold=1'")
    assert browser.faults() == []


def test_confidence_filters_by_the_labels_that_were_asked_for(
    browser: Browser, small_schema: Schema, tmp_path: Path
) -> None:
    show(browser, page([tagged("Talks.", 1, labels=TALKS)], small_schema), tmp_path)
    count = "go({ labels: new Set([2]), low: %s, high: 100, view: 'read' }), document.querySelectorAll('.para').length"
    assert browser.run(count % 80) == 1
    assert browser.run(count % 85) == 0
    assert browser.run("go({ labels: new Set([4]), low: 0, high: 60 }), document.querySelectorAll('.para').length") == 1


def test_the_handbook_runs_nothing_of_a_schema(browser: Browser, tmp_path: Path) -> None:
    labels = tuple(Label(f"l{n}", "f", text, text, text, text, (text,)) for n, text in enumerate(HOSTILE[:8]))
    show(
        browser,
        handbook_html(Schema("<i>", HOSTILE[1], (Facet("f", HOSTILE[0], "many", HOSTILE[2], labels),))),
        tmp_path,
    )
    assert browser.run("window.planted") is None
    assert browser.run("document.querySelectorAll('script, img, svg').length") == 0
    assert browser.faults() == []
