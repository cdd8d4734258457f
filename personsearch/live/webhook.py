"""Alerts to a web address: posted in a thread of its own, tried again after growing pauses, given up at last."""

from __future__ import annotations

import base64
import http.client
import logging
import time
import urllib.error
import urllib.request
from collections import deque
from threading import Condition, Thread
from typing import Any
from urllib.parse import unquote

from personsearch.errors import ConfigError
from personsearch.live.addresses import host_of
from personsearch.version import __version__

logger = logging.getLogger(__name__)

#: Alerts that may wait; of more, the oldest are given up.
MOST_WAITING = 1000
#: Seconds that the other side may take to connect, and between two pieces of its answer.
TIMEOUT = 10.0
#: Seconds before an alert is posted again: at first, and at most; each pause is twice the one before.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
#: How often an alert is posted before it is given up: for about ten minutes.
TRIES = 15
#: Answers that may be others next time.
_PASSING = {408, 425, 429}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An alert goes where it was told to go, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none: the answer becomes an error."""


class Webhook:
    """Posts alerts as JSON; the caller never waits.

    Args:
        url: ``http://`` or ``https://``, with ``user:password@`` before the host if need be.

    Attributes:
        delivered: alerts that were taken.
        failed: alerts that were given up.

    Raises:
        ConfigError: it is no such address.
    """

    def __init__(self, url: str) -> None:
        if not url.lower().startswith(("http://", "https://")) or host_of(url).endswith("//"):
            raise ConfigError(f"--webhook {host_of(url)}: must be an address such as http://127.0.0.1:8000/alerts")
        self.delivered = self.failed = 0
        self._shown = host_of(url)
        scheme, _, rest = url.partition("://")
        place, slash, path = rest.partition("/")
        login, sign, host = place.rpartition("@")
        self._url = f"{scheme}://{host}{slash}{path}"
        self._headers = {"Content-Type": "application/json", "User-Agent": f"personsearch/{__version__}"}
        if sign:
            self._headers["Authorization"] = f"Basic {base64.b64encode(unquote(login).encode()).decode()}"
        self._opener = urllib.request.build_opener(_NoRedirects)
        self._waiting: deque[str] = deque()
        self._condition = Condition()
        self._ending: float | None = None
        self._thread = Thread(target=self._run, name="personsearch-webhook", daemon=True)
        self._thread.start()

    def send(self, text: str) -> None:
        """Have a line of JSON posted."""
        with self._condition:
            self._waiting.append(text)
            if len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self.failed += 1
            self._condition.notify_all()

    def close(self, wait: float) -> None:
        """Post what waits, for so many seconds at most; what is left is given up, and counted."""
        with self._condition:
            self._ending = time.monotonic() + wait
            self._condition.notify_all()
        self._thread.join(wait + 1)
        with self._condition:
            self.failed += len(self._waiting)
            self._waiting.clear()

    def _run(self) -> None:
        tries, pause = 0, FIRST_PAUSE
        while True:
            with self._condition:
                self._condition.wait_for(lambda: bool(self._waiting) or self._ending is not None)
                if not self._waiting or self._is_late():
                    return
                text = self._waiting[0]
            trouble, again = self._post(text)
            tries += 1
            if trouble is not None and again and tries < TRIES:
                if tries == 1:
                    logger.warning("%s did not take an alert: %s; trying again", self._shown, trouble)
                with self._condition:
                    self._condition.wait_for(self._is_ending, timeout=pause)
                    if self._is_ending():
                        self._condition.wait(min(FIRST_PAUSE, max(0.0, (self._ending or 0) - time.monotonic())))
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            if trouble is not None:
                logger.warning("%s did not take an alert, which is given up: %s", self._shown, trouble)
            with self._condition:
                if self._waiting and self._waiting[0] is text:  # else it was counted as given up meanwhile
                    self._waiting.popleft()
                    self.delivered += trouble is None
                    self.failed += trouble is not None
            tries, pause = 0, FIRST_PAUSE

    def _is_ending(self) -> bool:
        return self._ending is not None

    def _is_late(self) -> bool:
        return self._ending is not None and time.monotonic() > self._ending

    def _post(self, text: str) -> tuple[str | None, bool]:
        """Post once; return what went wrong, and whether it may go better next time."""
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self._url, data=text.encode(), headers=self._headers, method="POST"
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT):
                return None, False
        except urllib.error.HTTPError as error:
            error.close()
            moved = " (redirects are not followed; give the address it leads to)" if 300 <= error.code < 400 else ""
            return f"it answered {error.code}{moved}", error.code >= 500 or error.code in _PASSING
        except urllib.error.URLError as error:
            reason = error.reason
            return str(getattr(reason, "strerror", None) or reason), True
        except TimeoutError:
            return f"it said nothing for {TIMEOUT:.0f} s", True
        except (OSError, http.client.HTTPException, ValueError) as error:
            return type(error).__name__, True
