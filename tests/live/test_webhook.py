"""Alerts to a web address on the loopback that refuses, hangs and redirects."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from personsearch.errors import ConfigError
from personsearch.live import webhook
from personsearch.live.webhook import Webhook


class Receiver:
    """Answers with the given status codes first, then with 200.

    Attributes:
        got: the JSON of each request that was answered with 200.
        asked: how many requests there were.
    """

    def __init__(self, answers: list[int]) -> None:
        self.got: list[dict[str, object]] = []
        self.asked = 0
        self.answered = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.asked += 1
                code = answers.pop(0) if answers else 200
                if code == 200:
                    assert self.headers["Content-Type"] == "application/json"
                    assert self.headers["Authorization"] == "Basic bWU6c2VjcmV0"  # me:secret
                    receiver.got.append(json.loads(body))
                self.send_response(code)
                if 300 <= code < 400:
                    self.send_header("Location", f"http://127.0.0.1:{receiver.port}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
                receiver.answered.set()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://me:secret@127.0.0.1:{self.port}/hooks/secret"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(webhook, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(webhook, "LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(webhook, "TIMEOUT", 0.5)


@pytest.fixture
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    made = Receiver(list(request.param))
    yield made
    made.close()


@pytest.mark.parametrize("receiver", [[500, 503, 429]], indirect=True)
def test_an_alert_is_posted_again_until_it_is_taken_and_the_order_stays(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    one = Webhook(receiver.url)
    for number in range(3):
        one.send(json.dumps({"alert": number}))
    one.close(10)
    assert receiver.got == [{"alert": 0}, {"alert": 1}, {"alert": 2}]
    assert (one.delivered, one.failed, receiver.asked) == (3, 0, 6)
    assert f"http://127.0.0.1:{receiver.port} did not take an alert: it answered 500; trying again" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("receiver", [[404], [301], [307]], indirect=True)
def test_what_will_not_go_better_is_given_up_at_once_and_nothing_is_sent_elsewhere(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    one = Webhook(receiver.url)
    one.send('{"alert": 0}')
    one.send('{"alert": 1}')
    one.close(10)
    assert receiver.got == [{"alert": 1}]
    assert (one.delivered, one.failed, receiver.asked) == (1, 1, 2)
    assert "which is given up: it answered" in caplog.text


def test_nobody_there_is_tried_again_and_what_is_left_at_the_end_is_counted() -> None:
    one = Webhook("http://127.0.0.1:1/alerts")
    one.send('{"alert": 0}')
    one.send('{"alert": 1}')
    one.close(0.2)
    assert (one.delivered, one.failed) == (0, 2)


@pytest.mark.parametrize("receiver", [[]], indirect=True)
def test_what_waits_is_bounded(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "MOST_WAITING", 5)
    one = Webhook("http://127.0.0.1:1/alerts")
    for _ in range(20):
        one.send("{}")
    assert one.failed >= 14
    one.close(0)
    assert one.failed == 20


def test_after_so_many_tries_an_alert_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TRIES", 3)
    one = Webhook("http://127.0.0.1:1/alerts")
    one.send("{}")
    for _ in range(500):
        if one.failed:
            break
        threading.Event().wait(0.02)
    assert one.failed == 1
    one.close(0)


@pytest.mark.parametrize("url", ["ftp://h/x", "hooks", "http://", "file:///etc/passwd"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="must be an address such as"):
        Webhook(url)
