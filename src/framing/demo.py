"""A small web page to try a tagger: paste an article or upload a file, read it with its labels.

Starlette and uvicorn, since MLflow brings both along and the reading view is a page already: nothing is fetched from
anywhere, nothing is counted, nothing is kept.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import socket
import tempfile
import threading
from collections.abc import Awaitable, Callable, Sequence
from html import escape
from pathlib import Path
from typing import cast

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from framing.corpus.paragraphs import split_document, split_documents
from framing.corpus.reading import read_documents
from framing.corpus.sources import KINDS
from framing.errors import FramingError
from framing.inference.evidence import Spans, evidence
from framing.inference.tagger import Tagger
from framing.reading_view import Notes, quiet_labels, write_page
from framing.records import Document, Paragraph

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
MAX_BYTES = 2_000_000
MAX_PARAGRAPHS = 500
MAX_WEIGHED = 60
"""With evidence each paragraph costs as much as some thirty without."""

_STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf6; --ink: #22201c; --soft: #615d55; --line: #ded9cd; --bad: #ae3a25; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #181715; --ink: #e6e2d8; --soft: #b1aca0; --line: #4a463e; --bad: #f2937d; } }
body { max-width: 44rem; margin: 3rem auto; padding: 0 1.2rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font: 600 1.7rem/1.25 "Iowan Old Style", Palatino, "Noto Serif", Georgia, serif; margin: 0 0 .4rem; }
p { margin: .4rem 0 1.2rem; } .soft { color: var(--soft); font-size: .9rem; }
.bad { color: var(--bad); font-weight: 600; }
label { display: block; margin: 1rem 0 .3rem; font-weight: 600; } label.box { font-weight: 400; }
textarea { width: 100%; box-sizing: border-box; min-height: 18rem; padding: .8rem; border: 1px solid var(--line);
  border-radius: .4rem; background: none; color: inherit; font: 1.05rem/1.55 Georgia, "Noto Serif", serif; }
button { margin-top: 1.4rem; padding: .55rem 1.6rem; border: 0; border-radius: .4rem; background: var(--ink);
  color: var(--paper); font: inherit; cursor: pointer; }
:focus-visible { outline: 2px solid #4a86c5; outline-offset: 2px; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; base-uri 'none'"
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def make_app(tagger: Tagger, names: Sequence[str] = ()) -> Starlette:
    """The page as an application; `names` are hosts, besides loopback, under which it may be asked for."""
    # One text at a time: two at once would share the cores and both come later.
    alone = threading.Lock()

    def tagged(paragraphs: list[Paragraph], documents: dict[str, dict[str, str]], words: bool) -> str:
        weighed: dict[str, dict[str, Spans]] = {}
        page = io.StringIO()
        with alone:
            found = list(tagger.tag(paragraphs))
            if words:
                quiet = quiet_labels(tagger.schema)
                for one in found:
                    weighed[one.paragraph.id] = evidence(tagger, tagger.schema, one, quiet=quiet)
        write_page(found, tagger.schema, page, title="framing", notes=Notes(documents, weighed, home="/"))
        return page.getvalue()

    async def form(request: Request) -> Response:
        return HTMLResponse(_form())

    async def answer(request: Request) -> Response:
        _check_request(request)
        async with request.form(max_files=1, max_fields=4, max_part_size=MAX_BYTES) as sent:
            text, words = str(sent.get("text") or ""), bool(sent.get("evidence"))
            try:
                documents = await _documents(sent)
                paragraphs = await run_in_threadpool(lambda: list(split_documents(documents)))
                _check_length(len(paragraphs), words)
                facts = {document.id: dict(document.metadata) for document in documents}
                return HTMLResponse(await run_in_threadpool(tagged, paragraphs, facts, words))
            except FramingError as error:
                return HTMLResponse(_form(str(error), text), status_code=400)

    async def refused(request: Request, error: Exception) -> Response:
        fault = cast(HTTPException, error)
        return HTMLResponse(_form(fault.detail), status_code=fault.status_code)

    routes = [Route("/", form), Route("/read", answer, methods=["POST"])]
    guards = [Middleware(TrustedHostMiddleware, [*LOOPBACK, *names], False), Middleware(BaseHTTPMiddleware, _guarded)]
    return Starlette(routes=routes, middleware=guards, exception_handlers={HTTPException: refused})


async def _guarded(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await go_on(request)
    response.headers.update(_HEADERS)
    # The reading view names its own script in the page; here it only says who may frame it.
    is_read = request.url.path == "/read" and response.status_code == 200
    response.headers["Content-Security-Policy"] = ("" if is_read else f"{_POLICY}; ") + "frame-ancestors 'none'"
    return response


def _check_request(request: Request) -> None:
    """Refuse what another site sends in a visitor's name, and what is too large, before any of it is read."""
    own = {"same-origin", "none"}
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "none") not in own or (
        origin is not None and origin != f"{request.url.scheme}://{request.headers.get('host')}"
    ):
        raise HTTPException(403, "This request came from another site and was not answered.")
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        raise HTTPException(411, "The request does not say how long it is.")
    if int(length) > MAX_BYTES:
        size = f"{int(length) / 1e6:.1f} MB sent, {MAX_BYTES / 1e6:.0f} MB is the limit"
        raise HTTPException(413, f"{size}: for more, use `framing read` on the command line.")


def _check_length(count: int, words: bool) -> None:
    most = MAX_WEIGHED if words else MAX_PARAGRAPHS
    if not count:
        raise FramingError("the article", "there is no text in it", "paste an article or choose a file")
    if count > most:
        limit = f"{count} paragraphs, the limit here is {most}" + (" with evidence" if words else "")
        raise FramingError("the article", limit, "use `framing read` on the command line")


async def _documents(sent: FormData) -> list[Document]:
    upload = sent.get("file")
    if isinstance(upload, UploadFile) and upload.filename:
        return await run_in_threadpool(_uploaded, upload.filename, await upload.read())
    document = Document("article", str(sent.get("text") or ""))
    split_document(document)  # a text that is no article says so here
    return [document]


def _uploaded(name: str, content: bytes) -> list[Document]:
    """The documents of an upload: read from a file that is gone again at once, by the reader of all other files."""
    given = Path(name.replace("\\", "/"))
    if given.suffix.lower() not in KINDS:
        raise FramingError(name, "is of no kind that can be read", f"known are {', '.join(KINDS)}")
    stem = re.sub(r"[^\w. -]", "_", given.stem)[:80].strip(". ") or "article"
    with tempfile.TemporaryDirectory(prefix="framing-") as folder:
        file = Path(folder) / (stem + given.suffix.lower())
        file.write_bytes(content)
        try:
            documents = list(read_documents([file]))
        except FramingError as error:
            raise FramingError(error.place.replace(str(file), name), error.finding, error.cure) from None
        return [Document(d.id, d.text, {**d.metadata, "source": name}) for d in documents]


def _form(fault: str = "", text: str = "") -> str:
    said = f'<p class="bad" role="alert">{escape(fault)}</p>' if fault else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>framing: read an article</title><style>{_STYLE}</style></head><body>
<h1>Read an article with its labels</h1>
<p class="soft">Paste a text, a paragraph a line, or choose a file. It is tagged on this machine and not kept.</p>{said}
<form method="post" action="/read" enctype="multipart/form-data">
<label for="text">Article</label>
<textarea id="text" name="text" dir="auto" autofocus>{escape(text)}</textarea>
<label for="file">or a file ({", ".join(KINDS)}; {MAX_BYTES // 1_000_000} MB at most)</label>
<input id="file" name="file" type="file" accept="{",".join(KINDS)}">
<label class="box"><input name="evidence" type="checkbox" value="1"> also find which words weighed
(takes some thirty times as long; {MAX_WEIGHED} paragraphs at most)</label>
<button>Read</button></form></body></html>
"""


def serve(app: Starlette, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Answer until interrupted; `ready` is told the address. Raises FramingError if the port is not free."""
    import uvicorn

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            reason = str(error.strerror).lower()
            raise FramingError(f"{host}:{port}", reason, "give another --port (0 takes a free one)") from None
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listener.getsockname()[1]}/")
        settings = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
        uvicorn.Server(settings).run(sockets=[listener])
