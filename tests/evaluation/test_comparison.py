"""Systems on what they share: what is said, what is warned of, and a page that a browser shows and filters."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from framing.errors import FramingError
from framing.evaluation.comparison import System, compare, comparison_to_json, shared_gold
from framing.evaluation.comparison_page import comparison_page
from framing.evaluation.findings import findings, warnings
from framing.evaluation.metrics import Record

EVIL = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)>"


def gold(articles: int = 8, text: str = "Text") -> dict[str, Record]:
    found = {}
    for number in range(articles * 4):
        name = f"d{number // 4}:{number % 4}"
        labels = {"stance": ("talks",) if number % 2 else ("attack",), "kind": ("body",)}
        language = "de" if number // 4 % 2 else "nl"
        found[name] = Record(name, language, f"d{number // 4}", labels, {}, f"{text} {number}")
    return found


def answers(known: dict[str, Record], wrong: int) -> dict[str, Record]:
    """Gold, but every paragraph whose number divides by `wrong` says attack and talks the other way round."""
    swapped = {"talks": ("attack",), "attack": ("talks",)}
    return {
        name: replace(record, labels={**record.labels, "stance": swapped[record.labels["stance"][0]]})
        if n % wrong == 0
        else record
        for n, (name, record) in enumerate(known.items())
    }


def test_it_says_in_words_who_is_better_in_what() -> None:
    known = gold()
    found = compare([System("good", known, answers(known, 31)), System("bad", known, answers(known, 2))])
    (sentence,) = findings(found)
    assert "good better than bad in mean macro-F1 by ." in sentence
    assert "stance macro-F1 by ." in sentence
    assert "no difference shown in kind macro-F1" in sentence
    turned = compare([System("bad", known, answers(known, 2)), System("good", known, answers(known, 31))])
    assert "good better than bad in mean macro-F1 by ." in findings(turned)[0]
    values = json.loads(json.dumps(comparison_to_json(found, findings(found), [])))
    assert values["pairs"][0]["differences"][0]["shown"] is True


def test_three_systems_are_compared_with_the_first_and_corrected_together() -> None:
    known = gold()
    systems = [System(name, known, answers(known, wrong)) for name, wrong in (("a", 31), ("b", 2), ("c", 3))]
    alone = compare(systems[:2]).pairs[0].of("macro_f1", "stance")
    found = compare(systems)
    assert [(pair.first, pair.second) for pair in found.pairs] == [("a", "b"), ("a", "c")]
    together = found.pairs[0].of("macro_f1", "stance")
    assert alone is not None
    assert together is not None
    assert alone.corrected is not None
    assert together.corrected is not None
    assert together.corrected > alone.corrected


def test_only_what_both_were_tested_on_with_the_same_text_and_gold_is_compared() -> None:
    known, longer = gold(8), gold(9)
    changed = {**longer, "d0:0": replace(longer["d0:0"], text="other words")}
    one, two = System("one", known, known), System("two", changed, changed)
    assert len(shared_gold([one, two])) == 31
    said = " ".join(warnings(compare([one, two])))
    assert "one has 32 paragraphs, two has 36; compared on the 31" in said
    assert "1 paragraphs are in both test sets with other text" in said
    other = gold(8, "Else")
    with pytest.raises(FramingError, match="no paragraph with the same text"):
        compare([one, System("three", other, other)])


def test_a_system_that_learned_from_the_other_s_test_is_named() -> None:
    known = gold(5)
    leaking = System("leaking", known, known, learned=frozenset({"d1", "x"}), chosen_on=frozenset({"d2"}))
    said = warnings(compare([System("clean", known, known, learned=frozenset({"y"})), leaking]))
    assert "leaking was trained on 1 of the 5 test articles of clean: d1" in said
    assert "leaking was tuned (dev part) on 1 of the 5 test articles of clean: d2" in said
    assert any(line.startswith("training articles differ: clean has 1, leaking has 2, 0 in both") for line in said)
    assert any(line.startswith("only 5 articles: no p can be below .062") for line in said)


def dom(page: Path, place: str, folder: Path) -> str:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder}"]
    command = [chromium, *flags, "--dump-dom", f"{page.as_uri()}#{place}"]
    return subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.decode()


def test_a_browser_shows_the_page_and_its_filters_work(tmp_path: Path) -> None:
    known = gold()
    known["d3:1"] = replace(known["d3:1"], text=EVIL)
    systems = [System("good", known, answers(known, 31)), System(f"bad {EVIL}", known, answers(known, 2))]
    page = comparison_page(compare(systems))
    assert "http://" not in page
    assert "https://" not in page
    # What a user does by hand: choose a language and a label, and type into the search box.
    act = """<script>
      for (const [id, value] of [["language", "de"], ["label", "stance/talks"], ["text", "text 5"]]) {
        document.getElementById(id).value = value;
        document.getElementById(id).dispatchEvent(new Event("input"));
      }
    </script></body>"""
    plain, acted = tmp_path / "plain.html", tmp_path / "acted.html"
    plain.write_text(page, encoding="utf-8")
    none = {"stance": (), "kind": ("body",)}
    missed = {name: replace(known[name], labels=none) for name in ("d1:1", "d1:3", "d2:1")}
    wrong = {**answers(known, 31), **missed}
    page = comparison_page(compare([systems[0], System("two", known, wrong)]))
    acted.write_text(page.replace("</body>", act), encoding="utf-8")

    shown = dom(plain, "who=first&language=nl", tmp_path / "one")
    assert "mean macro-F1" in shown
    assert "<circle" in shown
    assert shown.count("<article>") == 7, (
        "of 16 Dutch paragraphs the second has eight wrong, one of them as the first has"
    )
    assert "7 of 16 paragraphs" in shown
    assert "<title>taken" not in shown
    assert "<img" not in shown
    shown = dom(acted, "", tmp_path / "two")
    assert "1 of 3 paragraphs" in shown
    assert shown.count("<article>") == 1
