"""The way to a Milvus server: addresses, and calls that end in time and fail in words.

pymilvus is loaded when a link is made, not before.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import re
import socket
import time as clock
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from personsearch.errors import GalleryError, GalleryLockedError, MissingExtraError

Answer = TypeVar("Answer")
Unit: TypeAlias = Literal["day", "hour", "month", "none"]
UNITS: tuple[Unit, ...] = get_args(Unit)

PORT = 19530
#: Seconds for a server to take a connection, and to answer; the latter may be set in the address.
CONNECT = 5.0
ANSWER = 30.0
#: Seconds that a call is tried again while somebody else makes the index anew or the server starts.
PATIENCE = 60.0
_RETRY_EVERY = 0.2

#: Milvus's codes: the collection or the partition is not there; not loaded; its server is starting or moving things.
_NO_COLLECTION = {100}
_NO_PARTITION = {200}
_UNLOADED = {101, 102, 201, 202, 700}
_STARTING = {1, 2, 103, 500, 501, 502, 503, 600, 601, 602, 901}
_OLDEST, _NEWEST = (2, 3), (3, 99)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")


class GoneError(GalleryError):
    """A collection is not there."""


class PartitionGoneError(GalleryError):
    """A partition is not there."""


class UnloadedError(GalleryError):
    """A collection cannot be read at the moment: it is not loaded, or has no index."""


@dataclass(frozen=True)
class Address:
    """Where a gallery is, as its address says.

    Attributes:
        shown: the address without its secret.
        host: of the server.
        port: of the server.
        name: of the gallery; its collections begin with it.
        token: what lets in, ``user:password`` or a token; empty = nothing.
        tls: encrypt.
        partition: how much time a partition of a new gallery holds.
        answer: seconds that the server may take to answer.
        database: of the server; empty = its default.
    """

    shown: str
    host: str
    port: int
    name: str
    token: str = field(repr=False)
    tls: bool
    partition: Unit
    answer: float
    database: str


def parse_address(address: str) -> Address:
    """Return what an address says; what lets in may be in the environment variable ``MILVUS_TOKEN`` instead.

    Args:
        address: ``milvus://[user:password@]host[:port]/name``, with ``?tls=1``, ``partition=day|hour|month|none``,
            ``timeout=SECONDS`` and ``db=NAME`` where wanted.

    Raises:
        GalleryError: it is none.
    """
    scheme, _, rest = address.partition("://")
    login, at, place = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")
    shown = f"{scheme}://{rest[len(login) + len(at) :]}"
    form = "an address is milvus://host:19530/name"
    try:
        parts = urlsplit(shown)
        host, port = parts.hostname, parts.port
        given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise GalleryError(f"{_before_query(shown)}: {error}; {form}") from None
    shown = shown if given.keys() <= {"tls", "partition", "timeout", "db"} else _before_query(shown)
    if scheme != "milvus" or not host or not place or parts.fragment:
        raise GalleryError(f"{shown}: {form}")
    name = parts.path.strip("/")
    if not _NAME.fullmatch(name):
        raise GalleryError(
            f"{shown}: {name!r} cannot name a gallery in Milvus: it takes letters, digits and _, at most 200 of them, "
            f"and does not begin with a digit; {form}"
        )
    for key in given.keys() - {"tls", "partition", "timeout", "db"}:
        hint = "; set the environment variable MILVUS_TOKEN" if key in ("token", "password") else ""
        raise GalleryError(f"{shown}: there is no option {key!r}, only tls, partition, timeout and db{hint}")
    partition, tls = given.get("partition", "day"), given.get("tls", "0")
    unit = next((one for one in UNITS if one == partition), None)
    if unit is None:
        raise GalleryError(f"{shown}: partition is one of {', '.join(UNITS)}, not {partition!r}")
    if tls not in ("0", "1"):
        raise GalleryError(f"{shown}: tls is 0 or 1, not {tls!r}")
    database = given.get("db", "")
    if database and not _NAME.fullmatch(database):
        raise GalleryError(f"{shown}: {database!r} cannot name a database of Milvus")
    token = os.environ.get("MILVUS_TOKEN") or unquote(login)
    answer = _seconds(given.get("timeout", str(ANSWER)), shown)
    return Address(shown, host, port or PORT, name, token, tls == "1", unit, answer, database)


def _before_query(shown: str) -> str:
    return shown.partition("?")[0]


def _seconds(text: str, shown: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < 1e6:
        raise GalleryError(f"{shown}: timeout is a number of seconds above 0, not {text!r}")
    return seconds


class Link:
    """A connection to a server.

    Attributes:
        pymilvus: the module.
        client: pymilvus's client; use it inside :meth:`ask`.
        version: the server's, such as ``2.3.5``.
    """

    def __init__(self, address: Address) -> None:
        """Connect.

        Raises:
            MissingExtraError: pymilvus is not installed.
            GalleryError: no server of a version that is known answers there.
        """
        self._address = address
        self.pymilvus = _pymilvus()
        self._knock()
        scheme = "https" if address.tls else "http"
        host = f"[{address.host}]" if ":" in address.host else address.host
        try:
            self.client: Any = self.pymilvus.MilvusClient(
                uri=f"{scheme}://{host}:{address.port}",
                token=address.token,
                db_name=address.database,
                timeout=CONNECT,
                dedicated=True,
            )
            version = str(self.client.get_server_version(timeout=CONNECT))
        except Exception as error:  # of pymilvus, grpc and what lies below
            raise GalleryError(
                f"{address.shown}: what answers at {host}:{address.port} is no Milvus server, or does not let us in "
                f"({self._words(error)}); check host and port, tls=1 and MILVUS_TOKEN"
            ) from None
        found = re.search(r"(\d+)\.(\d+)[.\d]*", version)
        if found is None or not _OLDEST <= (int(found[1]), int(found[2])) <= _NEWEST:
            self.client.close()
            raise GalleryError(f"{address.shown}: the server is Milvus {version}; 2.3 to 3 will do")
        self.version = found[0]

    def ask(
        self, what: str, call: Callable[..., Answer], *arguments: Any, seconds: float | None = None, **options: Any
    ) -> Answer:
        """Call the server, and again while it starts.

        Args:
            what: is done, for messages, such as ``search``.
            call: a method of the client.
            arguments: its arguments.
            seconds: that the call may take, where it is more than an answer usually takes.
            options: its other arguments.

        Raises:
            GoneError: a collection is not there.
            PartitionGoneError: a partition is not there.
            UnloadedError: a collection is not loaded.
            GalleryLockedError: the server was busy or starting all the time.
            GalleryError: anything else; no server answers, or not in time.
        """
        until = clock.monotonic() + PATIENCE
        while True:
            self._knock()
            try:
                return call(*arguments, timeout=self._address.answer if seconds is None else seconds, **options)
            except self.pymilvus.MilvusException as error:
                code, words = getattr(error, "code", None), self._words(error)
            except Exception as error:  # grpc's own, and what lies below
                if isinstance(error, GalleryError):
                    raise
                code, words = None, self._words(error)
            problem = f"{self._address.shown}: Milvus failed to {what} ({words})"
            if code in _NO_COLLECTION or "collection not found" in words:
                raise GoneError(f"{problem}; the gallery was deleted, or never made whole")
            if code in _NO_PARTITION or re.search(r"partition.*not found", words):
                raise PartitionGoneError(problem)
            if code in _UNLOADED or "index doesn't exist" in words or "index not found" in words:
                raise UnloadedError(f"{problem}; somebody makes its index anew, try again later")
            if code not in _STARTING:
                self._knock()
                raise GalleryError(f"{problem}; see the server's log, or allow more time with timeout=SECONDS")
            if clock.monotonic() > until:
                raise GalleryLockedError(f"{problem}; it starts, or is busy: try again later")
            clock.sleep(_RETRY_EVERY)

    def _knock(self) -> None:
        """Raise an error where nobody listens, which pymilvus would try again until its time is up."""
        host, port = self._address.host, self._address.port
        try:
            socket.create_connection((host, port), timeout=CONNECT).close()
        except OSError as error:
            raise GalleryError(
                f"{self._address.shown}: no server answers at {host}:{port} ({error}); start Milvus there, or check "
                "host and port. Nothing acknowledged is lost"
            ) from None

    def _words(self, error: Exception) -> str:
        """Return what an error says, on one line, without the secret."""
        if callable(getattr(error, "details", None)):
            said = f"{error.code()}: {error.details()}"  # type: ignore[attr-defined]
        else:
            said = str(getattr(error, "message", "") or error)
        for secret in {self._address.token, *self._address.token.split(":")[1:]} - {""}:
            said = said.replace(secret, "***")
        return re.sub(r"\s+", " ", said)[:300]

    def close(self) -> None:
        """Let go of the connection."""
        self.client.close()


def _pymilvus() -> Any:
    try:
        module = importlib.import_module("pymilvus")
    except ImportError:
        raise MissingExtraError("galleries in Milvus need pymilvus: pip install 'personsearch[milvus]'") from None
    # It prints a traceback for every error that it raises.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    return module
