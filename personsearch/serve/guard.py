"""What happens to every request before and after its route: access, size, headers, faults, counting."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from personsearch.serve.access import Access
from personsearch.serve.faults import Refused, answer, busy, unexpected
from personsearch.serve.metrics import Metrics

logger = logging.getLogger(__name__)

#: On every answer.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
#: Bytes of a request that sends no picture.
MOST_JSON = 2 * 2**20
#: Uploads of the largest size that are in memory at once.
MOST_UPLOADS = 8
#: Seconds that a client has for the next part of a request.
PATIENCE = 30.0
#: Bytes and seconds that the rest of a request that is refused may have.
DRAIN_BYTES = 256 * 2**20
DRAIN_SECONDS = 20.0
#: Bytes that a form has beside its pictures.
FORM_BYTES = 64 * 1024


class Guard:
    """The outermost layer of the service."""

    def __init__(self, app: ASGIApp, *, access: Access, metrics: Metrics, max_upload: int) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics
        self._max_upload = max_upload
        self._held = 0
        self._holding = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:  # there is nothing here for web sockets
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        status = 0
        method = scope["method"]
        if method == "HEAD":  # answered as GET; the server leaves the body out
            scope = {**scope, "method": "GET"}
        body = _Body(self, scope, receive)

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                await body.drain()
                if body.refusal is not None:
                    raise body.refusal
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            try:
                self._check(scope)
                body.require_small()
                await self._app(scope, body.receive, send_on)
            except ClientDisconnect:
                status = status or 499
            except Exception as error:
                if status:  # half of an answer is sent already
                    logger.exception("an answer broke off")
                    raise
                refusal = body.refusal or (error if isinstance(error, Refused) else None)
                if refusal is None:
                    logger.exception("a request failed")
                body.refusal = None
                await (unexpected() if refusal is None else answer(refusal))(scope, receive, send_on)
        finally:
            body.release()
            route = getattr(scope.get("route"), "path", None)
            self._metrics.answered(method, route, status, time.monotonic() - started)

    def _check(self, scope: Scope) -> None:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key = name.decode("latin-1").lower()
            if key in headers and key in ("host", "origin", "authorization", "content-length"):
                raise Refused(400, f"the header {key} is given twice")
            headers[key] = value.decode("latin-1")
        self._access.check(scope["method"], scope["path"], headers, _cookies(headers.get("cookie", "")))

    def hold(self, count: int) -> None:
        """Count bytes that are held in memory for a request.

        Raises:
            Refused: too many are held for all requests together.
        """
        with self._holding:
            if self._held + count > MOST_UPLOADS * (self._max_upload + FORM_BYTES):
                raise busy("too much is being sent to the service at once; send it again later")
            self._held += count

    def let_go(self, count: int) -> None:
        """Count bytes that are held no longer."""
        with self._holding:
            self._held -= count

    def limit(self, kind: str) -> int:
        """Return how many bytes a request of a content type may have."""
        return self._max_upload + FORM_BYTES if kind.strip().lower().startswith("multipart/") else MOST_JSON


class _Body:
    """The body of a request as it comes in, up to its limit."""

    def __init__(self, guard: Guard, scope: Scope, receive: Receive) -> None:
        headers: dict[bytes, Any] = dict(scope["headers"])
        self.refusal: Refused | None = None
        self._guard = guard
        self._receive = receive
        self._limit = guard.limit(headers.get(b"content-type", b"").decode("latin-1"))
        self._announced = headers.get(b"content-length", b"0").decode("latin-1")
        self._held = 0
        # What was not announced, is more than is let pass by, or is only sent once it is asked for.
        sends = b"transfer-encoding" in headers or self._announced != "0"
        too_long = self._announced.isdecimal() and len(self._announced) < 18 and int(self._announced) > DRAIN_BYTES
        self._complete = not sends
        self._left_open = too_long or headers.get(b"expect", b"").lower() == b"100-continue"

    def require_small(self) -> None:
        """Refuse a body that says itself that it is too large, before any of it is read."""
        if not (self._announced.isascii() and self._announced.isdecimal()):
            raise Refused(400, "the header content-length is no number")
        if len(self._announced) > 18 or int(self._announced) > self._limit:
            raise self._too_large()

    async def receive(self) -> Message:
        """Take in the next part.

        What is raised here passes through code that turns it into something else, so it is kept too.
        """
        if self._complete:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), PATIENCE)
        except TimeoutError:
            self.refusal = Refused(408, f"nothing more of the request came within {PATIENCE:.0f} s", _CLOSE)
            raise self.refusal from None
        if message["type"] == "http.request":
            self._complete = not message.get("more_body", False)
            count = len(message.get("body", b""))
            try:
                if self._held + count > self._limit:
                    raise self._too_large()
                self._guard.hold(count)
            except Refused as refusal:
                self.refusal = refusal
                raise
            self._held += count
        return message

    async def drain(self) -> None:
        """Let the rest of the body pass by, within limits, since who is still sending reads no answer."""
        if self._complete or self._left_open:
            return
        left = DRAIN_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while left > 0 and not self._complete:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self._complete = not message.get("more_body", False)

    def release(self) -> None:
        """Count the body as no longer held."""
        self._guard.let_go(self._held)
        self._held = 0

    def _too_large(self) -> Refused:
        size = f"{self._limit >> 20} MiB" if self._limit >= 2**20 else f"{self._limit} bytes"
        return Refused(413, f"the request is larger than {size}, which is the most here; send less", _CLOSE)


_CLOSE = {"Connection": "close"}


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}
