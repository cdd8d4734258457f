"""``personsearch serve``: a gallery as a REST service with a page."""

from __future__ import annotations

import os
import socket
import webbrowser
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from personsearch.cli.common import Device, Weights, err, out, searcher_at, searcher_for
from personsearch.errors import ConfigError

#: The token, where it is not in a file.
TOKEN = "PERSONSEARCH_TOKEN"  # noqa: S105 - the name of a variable
_MIB = 2**20


def serve(
    gallery: Annotated[Path | None, typer.Argument(help="The gallery's folder, made if there is none.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Serve the bundled scenes; nothing of it is kept.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen at; any but this machine's own demands a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 = any that is free.")] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help=f"File with the token that clients must show; or set {TOKEN}. Where one is needed and none is given, "
            "it is made and printed."
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Name by which others call this machine, as people.example.com; demands a token too."),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse all that would change the gallery.")] = False,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder to keep the pictures of new scenes in; without it they are not kept.")
    ] = None,
    max_upload: Annotated[int, typer.Option(min=1, max=1024, help="MiB of the pictures of one request.")] = 32,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    weights: Weights = None,
    device: Device = None,
) -> None:
    """Serve a gallery: a page to search it with, and a REST service. It ends with Ctrl-C."""
    if (gallery is None) != demo:
        raise ConfigError(
            "give the folder of a gallery to serve, or --demo to try the bundled scenes"
            + ("; not both" if demo else ". 'personsearch index photos/ my-gallery/' makes a gallery of photos")
        )
    from personsearch.serve import create_app, running  # which says what to install
    from personsearch.serve.access import is_loopback

    access, said = _access(host, token_file, allow_host or [])
    with running.ended_by_sigterm(), ExitStack() as stack:
        listening = running.listen(host, port)
        stack.callback(listening.close)
        example = None
        if gallery is None:
            searcher = searcher_for(weights, device)
            err.print("indexing the bundled scenes ...")
            gallery, example = stack.enter_context(running.demo_gallery(searcher, progress=False))
        else:
            searcher = _searcher(gallery, weights, device, read_only=read_only)
        app = create_app(
            gallery,
            searcher,
            access=access,
            read_only=read_only,
            pictures=pictures,
            max_upload=max_upload * _MIB,
            example=example,
        )
        address = _address(host, listening)

        def ready() -> None:
            out.print(f"personsearch is at [bold]{escape(address)}[/] {escape(said)}", soft_wrap=True)
            out.file.flush()
            if open_page:
                webbrowser.open(address)

        if not is_loopback(host):
            err.print(
                "[yellow]what is sent to another machine is not encrypted: put a proxy with HTTPS before it "
                "(docs/serve.md)[/]",
                soft_wrap=True,
            )
        running.serve(app, listening, ready)
    err.print("stopped")


def _access(host: str, token_file: Path | None, names: list[str]) -> tuple[Any, str]:
    """Return the rules of access, and what to say of them."""
    from personsearch.serve.access import Access, is_loopback, new_token, require_token

    token, said = None, "(for this machine alone; no token needed)"
    if token_file is not None:
        try:
            token = require_token(token_file.read_text(encoding="utf-8"), f"--token-file {token_file}")
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no text"
            raise ConfigError(f"--token-file {token_file}: cannot be read ({reason})") from None
        said = f"(with the token of {token_file})"
    elif os.environ.get(TOKEN):
        token = require_token(os.environ[TOKEN], TOKEN)
        said = f"(with the token of {TOKEN})"
    elif names or not is_loopback(host):  # who comes by a name of their own comes from elsewhere
        token = new_token()
        said = f"with the token {token}"
    if not is_loopback(host):
        names = [*names, socket.gethostname(), socket.getfqdn(), host]
    return Access(token=token, names=frozenset(names), any_address=not is_loopback(host)), said


def _searcher(gallery: Path, weights: str | None, device: str | None, *, read_only: bool) -> Any:
    """Load the weights that a gallery was made with; make the gallery if there is none."""
    from personsearch.gallery import Gallery
    from personsearch.gallery.faults import DATABASE
    from personsearch.listing import check_gallery

    made = (gallery / DATABASE).exists()
    if read_only and not made:
        raise ConfigError(
            f"{gallery}: there is no gallery here, and --read-only makes none; index some images into it first"
        )
    check_gallery(gallery)
    searcher = searcher_at(gallery, weights, device)
    if not made:
        Gallery.open(gallery, searcher.spec).close()
        err.print(f"there was no gallery at {escape(str(gallery))}; made an empty one", soft_wrap=True)
    return searcher


def _address(host: str, listening: socket.socket) -> str:
    """Return the address of the page."""
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)  # noqa: S104
    name = f"[{name}]" if ":" in name and not name.startswith("[") else name
    return f"http://{name}:{listening.getsockname()[1]}/"
