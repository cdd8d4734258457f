"""Downloads that survive broken connections: resumed where the server offers it, limited in size, polite to each host.

urllib rather than a client library: the one that comes with huggingface-hub is httpx up to its version 1 and httpx2
from its version 2 on, and ``personsearch`` itself depends on neither.
"""

from __future__ import annotations

import math
import random
import threading
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urldefrag, urlsplit
from urllib.request import Request, build_opener

from personsearch import __version__
from personsearch.errors import PersonSearchError

#: Answers that may be different in a moment.
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
GONE = frozenset({404, 410})
#: A host that could not be reached for this many addresses in a row is not tried again in this run.
PATIENCE = 3
PIECE_BYTES = 2**16
MIB = 2**20
#: A server may ask for a longer pause, but nobody waits for hours.
LONGEST_PAUSE = 120.0


class DownloadError(PersonSearchError):
    """An address cannot be downloaded.

    Attributes:
        gone: the server says that there is nothing at this address, or not any more.
    """

    def __init__(self, message: str, *, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone


class StoppedError(Exception):
    """The downloads were stopped from outside."""


class _AgainError(Exception):
    """What failed may succeed in a moment.

    Attributes:
        pause: seconds for which the server asks; None = it does not say.
        reached: whether the host answered at all.
    """

    def __init__(self, message: str, *, pause: float | None = None, reached: bool = True) -> None:
        super().__init__(message)
        self.pause = pause
        self.reached = reached


@dataclass
class _Host:
    slots: threading.BoundedSemaphore
    not_before: float = -math.inf
    unreached: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Downloads:
    """Downloads of one run; its methods may be called from several threads.

    Args:
        attempts: how often an address is tried.
        wait: seconds before the second attempt; doubled before each further one.
        timeout: seconds without an answer or a byte after which an attempt counts as failed.
        per_host: most connections to one host at a time.
        max_bytes: most bytes of a download.
    """

    def __init__(
        self,
        *,
        attempts: int = 5,
        wait: float = 1.0,
        timeout: float = 30.0,
        per_host: int = 2,
        max_bytes: int = 64 * MIB,
    ) -> None:
        self._attempts, self._wait, self._timeout = attempts, wait, timeout
        self._per_host, self._max_bytes = per_host, max_bytes
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._opener = build_opener()

    def stop(self) -> None:
        """Make all downloads that run or wait raise :class:`StoppedError`; what they have stays for the next run."""
        self._stopped.set()

    def fetch(self, address: str, part: Path) -> None:
        """Download an address into a file; one left by an earlier, broken attempt is continued if the server can.

        Args:
            address: http or https; what follows ``#`` is not sent.
            part: the file; beside it stands ``part`` + ``.version``, by which the server tells whether it still has the
                same.

        Raises:
            DownloadError: the server refuses, the file is too large, or all attempts failed.
            StoppedError: see :meth:`stop`.
            OSError: ``part`` cannot be written.
        """
        host = self._host(address)
        with host.slots:
            for attempt in range(self._attempts):
                if host.unreached >= PATIENCE:
                    raise DownloadError(f"{urlsplit(address).netloc} cannot be reached; run again later")
                self._pause(host)
                try:
                    self._once(address, part)
                except _AgainError as error:
                    failure = error
                    pause = self._wait * 2**attempt * random.uniform(0.75, 1.25)  # noqa: S311
                    with host.lock:
                        asked = min(max(error.pause or 0.0, pause), LONGEST_PAUSE)
                        host.not_before = max(host.not_before, time.monotonic() + asked)
                else:
                    host.unreached = 0
                    return
            with host.lock:
                host.unreached = 0 if failure.reached else host.unreached + 1
                if failure.pause is None:
                    host.not_before = -math.inf  # this address was at fault rather than the host
            raise DownloadError(f"{failure}, attempt {self._attempts} of {self._attempts}; run again later")

    def _host(self, address: str) -> _Host:
        with self._lock:
            name = urlsplit(address).netloc
            return self._hosts.setdefault(name, _Host(threading.BoundedSemaphore(self._per_host)))

    def _pause(self, host: _Host) -> None:
        """Wait until the host may be asked again."""
        while (left := host.not_before - time.monotonic()) > 0 and not self._stopped.wait(left):
            pass
        if self._stopped.is_set():
            raise StoppedError

    def _once(self, address: str, part: Path) -> None:
        version = part.with_name(part.name + ".version")
        begun = part.stat().st_size if part.is_file() and version.is_file() else 0
        headers = {"User-Agent": f"personsearch/{__version__} (fetch_places)", "Accept-Encoding": "identity"}
        if begun:
            # If-Range: should the file have changed since, the server sends the whole new one.
            headers |= {"Range": f"bytes={begun}-", "If-Range": version.read_text(encoding="latin-1")}
        with self._open(Request(urldefrag(address).url, headers=headers), part) as response:  # noqa: S310 (the list's check)
            if response.status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {begun}-"):
                part.unlink(missing_ok=True)
                raise _AgainError("the server sends another range than the one asked for")
            begun = begun if response.status == 206 else 0
            length = response.headers.get("Content-Length", "")
            total = begun + int(length) if length.isdecimal() else None
            self._check_size(total or begun, part)
            if not begun:
                part.unlink(missing_ok=True)
                version.unlink(missing_ok=True)
                known = _version(response)
                if known:
                    version.write_text(known, encoding="latin-1")
            size = self._copy(response, part, begun)
        if total is not None and size != total:
            raise _AgainError(f"the connection broke off after {size} of {total} bytes")

    def _open(self, request: Request, part: Path) -> HTTPResponse:
        try:
            response: HTTPResponse = self._opener.open(request, timeout=self._timeout)
        except HTTPError as error:
            with error:
                if error.code == 416:
                    part.unlink(missing_ok=True)
                    raise _AgainError("the server cannot continue the download") from None
                if error.code in AGAIN:
                    raise _AgainError(f"the server answers {_answer(error)}", pause=_retry_after(error)) from None
                raise DownloadError(f"the server answers {_answer(error)}", gone=error.code in GONE) from None
        except (OSError, HTTPException, ValueError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            name = urlsplit(request.full_url).netloc
            raise _AgainError(f"{name} cannot be reached ({_in_words(reason)})", reached=False) from None
        return response

    def _copy(self, response: HTTPResponse, part: Path, begun: int) -> int:
        """Append the answer to the file; returns its size."""
        size = begun
        with part.open("ab") as file:
            while True:
                if self._stopped.is_set():
                    raise StoppedError
                try:
                    piece = response.read(PIECE_BYTES)
                except (OSError, HTTPException) as error:
                    raise _AgainError(f"the connection broke off after {size} bytes ({_in_words(error)})") from None
                if not piece:
                    return size
                size += len(piece)
                self._check_size(size, part)
                file.write(piece)

    def _check_size(self, size: int, part: Path) -> None:
        if size > self._max_bytes:
            part.unlink(missing_ok=True)
            raise DownloadError(f"is larger than the {self._max_bytes / MIB:g} MiB allowed; see --max-mib")


def _version(response: HTTPResponse) -> str | None:
    """Return what identifies the content byte for byte: a strong ETag, or else the date of the last change."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


def _answer(error: HTTPError) -> str:
    return f"{error.code} {error.reason}".strip()


def _in_words(error: object) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _retry_after(error: HTTPError) -> float | None:
    """Return the seconds of a Retry-After header, which is a number or a date."""
    text = error.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError):
        return None
