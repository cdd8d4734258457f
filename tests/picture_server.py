"""A web server on the loopback address that misbehaves as told: enough for tools/fetch_places.py to fetch from."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass
class Page:
    """What the server has at a path.

    Attributes:
        body: the whole file.
        refusals: status codes, an answer each, before the file is given.
        headers: of those refusals.
        etag: of the file; None = the server names no version.
        ranges: whether parts of it can be asked for.
        breaks: after how many bytes each of the next answers breaks off.
        sized: whether the answer says how long it is.
        hangs: the answer stays away until the server ends.
    """

    body: bytes = b""
    refusals: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = '"1"'
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    sized: bool = True
    hangs: bool = False


class PictureServer:
    """A server in a thread.

    Attributes:
        pages: what it has, by path; anything else is 404.
        requests: path and Range header of each request, in order.
        asked: set at each request.
    """

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.asked = threading.Event()
        self.ended = threading.Event()
        server = self

        class Handler(_Handler):
            def __init__(self, *args: Any) -> None:
                self.owner = server
                super().__init__(*args)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> PictureServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: PictureServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.owner.requests.append((self.path, wanted))
        self.owner.asked.set()
        page = self.owner.pages.get(self.path, Page(refusals=[404]))
        if page.hangs:
            self.owner.ended.wait(30)
            self.close_connection = True
            return
        if page.refusals:
            code = page.refusals.pop(0) if len(page.refusals) > 1 or page.body else page.refusals[0]
            self._answer(code, page.headers, b"sorry", None)
            return
        body, headers, status = page.body, {}, 200
        if page.etag is not None:
            headers["ETag"] = page.etag
        unchanged = self.headers.get("If-Range") in (None, page.etag)
        if page.ranges and wanted is not None and unchanged:
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {begin}-{len(body) - 1}/{len(body)}"
            body, status = body[begin:], 206
        self._answer(status, headers, body, page.breaks.pop(0) if page.breaks else None, sized=page.sized)

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, breaks: int | None, *, sized: bool = True
    ) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if sized:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[:breaks])
        self.wfile.flush()
        if breaks is not None or not sized:
            self.close_connection = True
