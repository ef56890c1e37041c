"""`framing demo`: a web page on this machine to paste an article into."""

from __future__ import annotations

import importlib.util
import webbrowser
from typing import Annotated

import typer

from framing.cli.options import Folder, Model
from framing.cli.tagging import load_tagger
from framing.cli.terminal import TerminalReporter
from framing.errors import FramingError


def demo(
    model: Model = None,
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.", min=0, max=65535)] = 8642,
    host: Annotated[str, typer.Option(help="Where to listen; there is no password, so keep it at this machine.")] = (
        "127.0.0.1"
    ),
    name: Annotated[
        list[str] | None, typer.Option(help="With --host: a host name under which the page may be asked for.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
    folder: Folder = None,
) -> None:
    """Serve a page on which an article is pasted or uploaded and read with its labels.

    It answers this machine only, keeps nothing, and asks nobody else for anything. Ctrl-C ends it.

    framing demo --open

    framing demo --host 0.0.0.0 --name lab.example.org     on a network you trust
    """
    missing = [name for name in ("starlette", "uvicorn", "python_multipart") if not importlib.util.find_spec(name)]
    if missing:
        raise FramingError("framing demo", f"needs {', '.join(missing)}", "pip install 'framing[demo]'")
    from framing.demo import make_app, serve

    with TerminalReporter() as reporter:
        tagger = load_tagger(model, folder, reporter)[0]

        def ready(address: str) -> None:
            reporter.say(f"read articles at {address} (Ctrl-C ends)")
            if show:
                webbrowser.open(address)

        serve(make_app(tagger, [host, *(name or [])]), host, port, ready)
