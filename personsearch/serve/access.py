"""Who may ask: the right token, the right host, the right page."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from personsearch.errors import ConfigError
from personsearch.serve.faults import Refused

#: A token shorter than this can be guessed.
LEAST_TOKEN = 16
#: Seconds after which somebody who gave the token to the page gives it again.
SESSION_SECONDS = 7 * 24 * 3600
#: Sessions that are remembered; the oldest are forgotten beyond it.
MOST_SESSIONS = 1000
COOKIE = "personsearch_session"

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_PUBLIC = frozenset({"/", "/health", "/api/session", "/favicon.ico"})
#: Headers by which a proxy says for whom it asks.
_FORWARDED = frozenset({"x-forwarded-for", "x-real-ip", "forwarded"})
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def new_token() -> str:
    """Return a token that nobody guesses."""
    return secrets.token_urlsafe(32)


def require_token(token: str, where: str) -> str:
    """Return a token without the white space around it.

    Args:
        token: as read.
        where: it came from, for the message.

    Raises:
        ConfigError: it is too short, or cannot be sent in a header.
    """
    text = token.strip()
    if len(text) < LEAST_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(
            f"{where}: a token is one word of at least {LEAST_TOKEN} letters and digits; make one with: openssl rand "
            "-hex 32"
        )
    return text


def is_loopback(host: str) -> bool:
    """Whether an address to listen at can be reached from this machine alone.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Sessions:
    """Who gave the token to the page. Nothing of it outlives the process, and no token is kept."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def begin(self) -> str:
        """Return the value of a new session's cookie."""
        name = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._until) >= MOST_SESSIONS:
                self._until.pop(next(iter(self._until)))
            self._until[_digest(name)] = time.monotonic() + SESSION_SECONDS
        return name

    def holds(self, name: str) -> bool:
        """Whether a cookie is of a session that goes on."""
        with self._lock:
            return self._until.get(_digest(name), 0.0) > time.monotonic()

    def end(self, name: str) -> None:
        """End a session, if there is one."""
        with self._lock:
            self._until.pop(_digest(name), None)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True)
class Access:
    """The rules of access.

    Attributes:
        token: what a client must show; None = nothing, for a service that this machine alone can reach.
        names: names of hosts by which the service may be called, beside those of this machine's loopback.
        any_address: whether it may be called by any IP address. An address cannot be pointed elsewhere as a name can,
            by which a page of another site would reach the service (DNS rebinding).
        sessions: who gave the token to the page.

    Example:
        >>> access = Access(token="0123456789abcdef")
        >>> access.check("GET", "/api/gallery", {"host": "localhost:8080"})
        Traceback (most recent call last):
        ...
        personsearch.serve.faults.Refused: this needs the token of the service: send 'Authorization: Bearer TOKEN'
        >>> access.check(
        ...     "GET", "/api/gallery", {"host": "localhost", "authorization": "Bearer 0123456789abcdef"}
        ... )
    """

    token: str | None = None
    names: Collection[str] = frozenset()
    any_address: bool = False
    sessions: Sessions = field(default_factory=Sessions)

    def check(self, method: str, path: str, headers: Mapping[str, str], cookies: Mapping[str, str] = {}) -> None:
        """Refuse a request that may not be answered.

        Args:
            method: of HTTP.
            path: of the request, without the query.
            headers: by their names in small letters.
            cookies: by name.

        Raises:
            Refused: 403 for another host or another site, or through a proxy where there is no token; 401 without the
                token.
        """
        host = headers.get("host", "")
        if not self._is_ours(host):
            raise Refused(
                403,
                "the service does not go by the host name of this request; call it by its address, or name the host "
                "with --allow-host when it is started",
            )
        if self.token is None and _FORWARDED & headers.keys():
            raise Refused(
                403,
                "this request came through a proxy, so that others can reach the service; start it with --token-file",
            )
        if method not in _READS or path.startswith("/api/"):
            self._require_same_site(method, host, headers)
        if self.token is None or path in _PUBLIC or path.startswith("/page/"):
            return
        if not self.has_token(headers) and not self._has_session(host, cookies):
            raise Refused(
                401,
                "this needs the token of the service: send 'Authorization: Bearer TOKEN'",
                {"WWW-Authenticate": "Bearer"},
            )

    def is_token(self, given: str) -> bool:
        """Whether somebody gave the token; takes equally long for every wrong one."""
        return self.token is not None and hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def has_token(self, headers: Mapping[str, str]) -> bool:
        """Whether a request carries the token."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self.is_token(given.strip())

    def _has_session(self, host: str, cookies: Mapping[str, str]) -> bool:
        name = cookies.get(cookie_name(host))
        return name is not None and self.sessions.holds(name)

    def _is_ours(self, host: str) -> bool:
        name = _hostname(host)
        if name is None:
            return False
        if name in _LOCAL_NAMES or name in {one.lower() for one in self.names}:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.any_address or address.is_loopback

    def _require_same_site(self, method: str, host: str, headers: Mapping[str, str]) -> None:
        origin = headers.get("origin")
        foreign = origin is not None and (method not in _READS) and not _same_origin(origin, host)
        if foreign or headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise Refused(403, "this request comes from the page of another site; only the service's own page may ask")


def cookie_name(host: str) -> str:
    """Return the name of the session's cookie; browsers keep those of all ports of a host together."""
    _, port = _split(host)
    return f"{COOKIE}_{port}" if port else COOKIE


def _hostname(host: str) -> str | None:
    name, _ = _split(host)
    return name.lower().rstrip(".") or None


def _split(host: str) -> tuple[str, str]:
    """Return name and port of a Host header."""
    if host.startswith("["):
        name, _, rest = host[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        name, _, port = host.partition(":")
    return name, port if port.isdecimal() and port.isascii() else ""


def _same_origin(origin: str, host: str) -> bool:
    """Whether the page of an origin was served by the host of a request."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None:
        return False
    ours, theirs = _split(host.lower()), _split(parts.netloc.lower())
    return (ours[0], ours[1] or default) == (theirs[0], theirs[1] or default)
