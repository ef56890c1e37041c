"""Bytes into text: what is UTF-8 stays exact, what is not is detected or refused, never replaced in silence."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framing.corpus.encoding import Lines, decode_text, known_encoding
from framing.errors import FramingError

SENTENCES = {
    "cp1252": "Die Außenministerin möchte über Überflüge für Flüchtlinge verhandeln, hieß es in Köln am späten Abend.",
    "cp1250": "Premiér řekl, že příští týden začnou jednání o příměří, která měla být už včera; záruka však není.",
    "cp1251": "Министр заявил, что переговоры о прекращении огня начнутся на следующей неделе в Стамбуле.",
    "koi8_r": "Министр заявил, что переговоры о прекращении огня начнутся на следующей неделе в Стамбуле.",
    "cp1253": "Ο υπουργός δήλωσε ότι οι συνομιλίες για την εκεχειρία θα αρχίσουν την επόμενη εβδομάδα.",
    "cp1256": "قال الوزير إن محادثات وقف إطلاق النار ستبدأ الأسبوع المقبل في إسطنبول بحضور الجانبين.",
    "gb18030": "外交部长表示,停火谈判将于下周在伊斯坦布尔举行,双方代表团都将出席。",
}


def lines(data: bytes, limit: int = 1000, given: str = "") -> tuple[list[str], list[FramingError]]:
    reader = Lines(io.BufferedReader(io.BytesIO(data)), "f", lambda notice: None, given=given, limit=limit)  # type: ignore[arg-type]
    good, bad = [], []
    while True:
        try:
            good.append(next(reader))
        except StopIteration:
            return good, bad
        except FramingError as fault:
            bad.append(fault)


@pytest.mark.parametrize("encoding", SENTENCES)
def test_an_old_encoding_is_detected_and_said(encoding: str) -> None:
    said: list[str] = []
    text = SENTENCES[encoding]
    assert decode_text(text.encode(encoding), "f", said.append) == text
    assert "read as" in said[0]


@given(st.text())
def test_utf8_comes_out_as_it_was(text: str) -> None:
    text = text.replace("\x00", "")
    assert decode_text(text.encode(), "f", pytest.fail) == text.removeprefix("\ufeff")
    assert "".join(lines(text.encode(), limit=10**6)[0]) == text.removeprefix("\ufeff")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_tells_the_encoding(encoding: str) -> None:
    text = "Zürich\nпереговоры\n"
    assert decode_text(text.encode(encoding), "f", pytest.fail) == text
    assert lines(text.encode(encoding)) == (["Zürich\n", "переговоры\n"], [])


def test_a_bad_or_endless_line_is_refused_alone() -> None:
    good, bad = lines("größe\n".encode() + b"\xff\xfe\xfa bad\n" + b"x" * 5000 + b"\nlast", limit=100)
    assert good == ["größe\n", "last"]
    assert [(fault.place, fault.finding[:12]) for fault in bad] == [("f:2", "not utf-8: b"), ("f:3", "a line of mo")]


def test_a_stream_that_is_not_utf8_from_its_first_accent_on_keeps_one_encoding() -> None:
    text = "id;text\n1;plain\n" + SENTENCES["cp1251"] + "\n" + SENTENCES["cp1251"] + "\n"
    assert "".join(lines(text.encode("cp1251"))[0]) == text


def test_the_users_word_binds() -> None:
    assert decode_text("Łódź".encode("cp1250"), "f", pytest.fail, given="cp1250") == "Łódź"
    for name in ("klingon", "base64", "undefined"):
        with pytest.raises(FramingError, match="no such encoding"):
            known_encoding(name)
    assert lines("größe\n".encode("cp1252"), given="idna")[1][0].place == "f:1"


@pytest.mark.parametrize("declared", ["undefined", "idna", "punycode", "hex", "klingon"])
def test_a_declared_encoding_that_explains_nothing_is_passed_over(declared: str) -> None:
    text = SENTENCES["cp1251"]
    assert decode_text(text.encode("cp1251"), "f", lambda notice: None, declared=declared) == text
    with pytest.raises(FramingError, match="f: not "):
        decode_text(b"\xff", "f", pytest.fail, given="idna")
