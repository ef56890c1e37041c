"""How many of the paragraphs that reading finds are body text, and how much body text is lost.

    python bench/segmentation.py [--folder runs] [--model models:/framing@champion] [--no-model] [--show]

Two sets: the five seed articles (text files, kinds from their gold annotations) and the pages of bench/pages (HTML with
navigation, consent banners, teasers, comment forms, in twelve languages; `data-gold` marks what is what, and is taken
out before reading). A body paragraph counts as found where a paragraph of the same text, white space aside, comes out:
one that is joined with another, split or cut is lost. `reading alone` takes all that comes out for body text; `and
kind` only what the tagger calls body.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from lxml import html

from framing.annotation.store import read_annotations
from framing.corpus.paragraphs import split_documents
from framing.corpus.reading import read_documents
from framing.records import Paragraph
from framing.schema_file import read_schema

ROOT = Path(__file__).resolve().parent.parent
_MARK = re.compile(r'\s+data-gold="(\w+)"')

Found = dict[str, list[Paragraph]]
Gold = dict[str, list[str]]


def plain(text: str) -> str:
    return " ".join(text.split())


def seeds() -> tuple[Found, Gold]:
    schema = read_schema(ROOT / "data" / "schema.yaml")
    placed, faults = read_annotations([ROOT / "data" / "annotations" / "seeds" / "gold.jsonl"], schema)
    assert not faults
    body = {item.annotation.paragraph for item in placed if "body" in item.annotation.labels["kind"]}
    found: Found = {}
    for paragraph in split_documents(read_documents([ROOT / "seeds"])):
        found.setdefault(paragraph.document, []).append(paragraph)
    return found, {name: [plain(p.text) for p in own if p.id in body] for name, own in found.items()}


def pages() -> tuple[Found, Gold]:
    found: Found = {}
    gold: Gold = {}
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted((ROOT / "bench" / "pages").glob("*.html")):
            source = file.read_text(encoding="utf-8")
            marked = html.fromstring(source).xpath('//*[@data-gold="body"]')
            gold[file.stem] = [plain(element.text_content()) for element in marked]
            (Path(folder) / file.name).write_text(_MARK.sub("", source), encoding="utf-8")
        for paragraph in split_documents(read_documents([folder])):
            found.setdefault(paragraph.document, []).append(paragraph)
    return found, gold


def kinds(found: Found, model: str, folder: Path) -> set[str]:
    """Ids of the paragraphs that the tagger calls body."""
    from framing.cli.tagging import load_tagger
    from framing.cli.terminal import TerminalReporter

    with TerminalReporter() as reporter:
        tagger = load_tagger(model, folder, reporter)[0]
    paragraphs = [paragraph for own in found.values() for paragraph in own]
    return {one.paragraph.id for one in tagger.tag(paragraphs) if one.labels["kind"] == ("body",)}


def counts(kept: list[Paragraph], gold: list[str]) -> tuple[int, int, int]:
    """Paragraphs kept, body paragraphs there are, those of them among the kept."""
    hits = Counter(plain(paragraph.text) for paragraph in kept) & Counter(gold)
    return len(kept), len(gold), hits.total()


def line(name: str, rows: list[tuple[int, int, int]]) -> str:
    kept, there, hits = (sum(column) for column in zip(*rows, strict=True))
    precision, recall = hits / max(kept, 1), hits / max(there, 1)
    return f"{name:<28} {kept:>5} {there:>5} {hits:>5}   {precision:>8.3f} {recall:>8.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="the tracking folder")
    parser.add_argument("--model", default="models:/framing@champion")
    parser.add_argument("--no-model", action="store_true", help="reading alone")
    parser.add_argument("--show", action="store_true", help="name what is lost and what is too much")
    chosen = parser.parse_args()
    print(f"{'':<28} {'kept':>5} {'body':>5} {'hits':>5}   precision   recall")
    for title, (found, gold) in (("seeds", seeds()), ("pages", pages())):
        everything = {paragraph.id for own in found.values() for paragraph in own}
        ways = {"reading alone": everything}
        if not chosen.no_model:
            ways["and kind"] = kinds(found, chosen.model, chosen.folder)
        for way, ids in ways.items():
            kept = {name: [paragraph for paragraph in own if paragraph.id in ids] for name, own in found.items()}
            rows = {name: counts(kept[name], gold[name]) for name in gold}
            print(line(f"{title}, {way}", list(rows.values())))
            for name in rows if title == "pages" or chosen.show else ():
                print(line(f"  {name}", [rows[name]]))
                if chosen.show:
                    show(kept[name], gold[name])


def show(kept: list[Paragraph], gold: list[str]) -> None:
    texts = [plain(paragraph.text) for paragraph in kept]
    for mark, lines in (("lost", Counter(gold) - Counter(texts)), ("over", Counter(texts) - Counter(gold))):
        for text in lines:
            print(f"      {mark}: {text[:110]}", file=sys.stdout)


if __name__ == "__main__":
    main()
