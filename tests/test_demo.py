"""The demo: an article in, the reading view out; other hosts, other sites and too much are refused."""

from __future__ import annotations

import re
import socket
import tempfile
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from framing import demo
from framing.config import TfidfConfig
from framing.dataset import Dataset, LabelMatrix
from framing.errors import FramingError
from framing.inference.tagger import Tagger
from framing.model.baseline import Baseline
from framing.model.calibration import Calibration
from framing.records import Paragraph
from framing.schema import Schema

ARTICLE = "The North wants talks in Alba.\n\n<script>alert(1)</script>"


@pytest.fixture(scope="module")
def tagger(small_schema: Schema) -> Tagger:
    config = TfidfConfig(
        kind="tfidf", word_ngrams=1, character_ngrams=3, max_features=200, regularisation=1.0, sentence_weight=0.0
    )
    texts = ["The North wants talks.", "The South fired missiles.", "Share this page"]
    values = np.array([[1, 0, 1, 0, 1, 0], [1, 0, 0, 1, 0, 1], [0, 1, 0, 0, 0, 0]], np.float32)
    paragraphs = tuple(Paragraph(f"d:{n}", "d", n, 0, len(t), t, "en") for n, t in enumerate(texts, 1))
    engine = Baseline(small_schema, config)
    engine.fit(Dataset(paragraphs, LabelMatrix(values, np.ones_like(values, np.bool_))))
    return Tagger(small_schema, engine, Calibration.plain(small_schema), "baseline")


@pytest.fixture
def client(tagger: Tagger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return TestClient(demo.make_app(tagger), base_url="http://127.0.0.1:8642")


def alert(page: str) -> str:
    return "".join(re.findall(r'role="alert">(.*?)</p>', page))


def test_a_pasted_article_comes_back_as_a_page_to_read(client: TestClient) -> None:
    form = client.get("/")
    assert "script" not in form.text
    assert "form-action 'self'" in form.headers["content-security-policy"]
    page = client.post("/read", data={"text": ARTICLE})
    assert page.status_code == 200
    assert "The North wants talks in Alba." in page.text
    assert page.text.count("<script>") == 1
    assert '"home":"/"' in page.text
    assert page.headers["cache-control"] == "no-store"
    assert '"e":{' not in page.text
    weighed = client.post("/read", data={"text": ARTICLE, "evidence": "1"})
    assert '"e":{' in weighed.text


def test_a_file_is_read_and_not_kept(client: TestClient, tmp_path: Path) -> None:
    page = client.post("/read", files={"file": ("../../etc/My article.txt", ARTICLE.encode())})
    assert page.status_code == 200
    assert '"id":"My article"' in page.text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({"data": {"text": " "}}, 400, "there is no text in it"),
        ({"files": {"file": ("a.exe", b"MZ")}}, 400, "is of no kind that can be read"),
        ({"data": {"text": "a\n" * 501}}, 400, "501 paragraphs, the limit here is 500"),
        ({"data": {"text": "a\n" * 61, "evidence": "1"}}, 400, "61 paragraphs, the limit here is 60 with evidence"),
        ({"data": {"text": "x" * 150_000}}, 400, "a paragraph of 150,000 characters"),
        ({"files": {"file": ("a.txt", b"x" * 2_100_000)}}, 413, "2.1 MB sent, 2 MB is the limit"),
        ({"data": {"text": "x"}, "headers": {"Origin": "http://evil.example"}}, 403, "from another site"),
        ({"data": {"text": "x"}, "headers": {"Sec-Fetch-Site": "cross-site"}}, 403, "from another site"),
    ],
)
def test_what_cannot_be_read_is_told_plainly(
    sent: dict[str, object], status: int, said: str, client: TestClient, tmp_path: Path
) -> None:
    answer = client.post("/read", **sent)  # type: ignore[arg-type]
    assert answer.status_code == status
    assert said in alert(answer.text)
    assert str(tmp_path) not in answer.text


def test_an_article_that_was_refused_is_still_in_the_form(client: TestClient) -> None:
    answer = client.post("/read", data={"text": "</textarea><b>\n" * 501})
    assert "&lt;/textarea&gt;&lt;b&gt;" in answer.text
    assert answer.text.count("</textarea>") == 1


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_other_hosts_are_refused(host: str, client: TestClient) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost:8642", "127.0.0.1", "[::1]:8642"])
def test_this_machine_is_answered(host: str, client: TestClient) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


def test_a_port_that_is_taken_is_named(tagger: Tagger) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(FramingError, match=f"127.0.0.1:{port}: address already in use"):
            demo.serve(demo.make_app(tagger), "127.0.0.1", port, lambda address: None)
