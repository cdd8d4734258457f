"""Alerts to a real MQTT broker, killed and started again."""

from __future__ import annotations

import builtins
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from personsearch.errors import ConfigError, MissingExtraError
from personsearch.live.mqtt import Mqtt

needs_broker = pytest.mark.skipif(shutil.which("mosquitto") is None, reason="mosquitto is not installed")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def broker(folder: Path, port: int) -> subprocess.Popen[bytes]:
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true"]
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
    process = subprocess.Popen(["mosquitto", "-c", folder / "mosquitto.conf"], stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.02)
    process.kill()
    pytest.fail("mosquitto did not start")


def listener(port: int, topic: str) -> tuple[Any, list[dict[str, Any]]]:
    from paho.mqtt import client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    got: list[dict[str, Any]] = []
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
    client.on_message = lambda _client, _data, message: got.append(json.loads(message.payload))
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client, got


def until(done: Callable[[], bool]) -> None:
    for _ in range(1000):
        if done():
            return
        time.sleep(0.02)
    pytest.fail("it did not happen within 20 s")


@needs_broker
def test_alerts_arrive_also_those_given_before_the_broker_was_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    one = Mqtt(f"mqtt://me:secret@127.0.0.1:{port}/home/alerts")
    one.send('{"alert": 0}')
    process = broker(tmp_path, port)
    try:
        client, got = listener(port, "home/alerts")
        until(lambda: one.delivered == 1)
        until(client.is_connected)
        time.sleep(0.2)  # until it has subscribed
        one.send('{"alert": 1}')
        until(lambda: {"alert": 1} in got)
        one.close(5)
        assert (one.delivered, one.failed) == (2, 0)
        client.disconnect()
        client.loop_stop()
    finally:
        process.kill()
        process.wait()
    assert "secret" not in caplog.text


def test_without_a_broker_what_is_left_is_counted() -> None:
    one = Mqtt("mqtt://127.0.0.1:1/alerts")
    one.send("{}")
    one.send("{}")
    one.close(0.1)
    assert (one.delivered, one.failed) == (0, 2)


@pytest.mark.parametrize(
    "url", ["http://h/x", "mqtt://h", "mqtt://h/", "mqtt://h:port/x", "mqtt:///x", "mqtt://me:secret@h/a/#"]
)
def test_what_is_no_address_of_a_broker_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="--mqtt") as caught:
        Mqtt(url)
    assert "secret" not in str(caught.value)


def test_without_paho_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def missing(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("paho"):
            raise ImportError(name)
        return whole(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'personsearch\[mqtt\]'"):
        Mqtt("mqtt://h/x")
