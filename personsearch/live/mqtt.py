"""Alerts to an MQTT broker (paho-mqtt, the extra ``[mqtt]``)."""

from __future__ import annotations

import logging
import time
from typing import Any
from urllib.parse import unquote, urlsplit

from personsearch.errors import ConfigError, MissingExtraError
from personsearch.live.addresses import host_of

logger = logging.getLogger(__name__)

#: Alerts that may wait for the broker; of more, the newest are given up.
MOST_WAITING = 1000
#: What publishing says while there is no connection: it will be sent when there is.
_NO_CONNECTION = 4
_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Mqtt:
    """Publishes alerts as JSON, at least once each (QoS 1); the caller never waits.

    Args:
        url: ``mqtt://[user:password@]host[:port]/topic``, or ``mqtts://`` for TLS.

    Attributes:
        delivered: alerts that the broker took.
        failed: alerts that were given up.

    Raises:
        MissingExtraError: paho-mqtt is not installed.
        ConfigError: it is no such address.
    """

    def __init__(self, url: str) -> None:
        try:
            from paho.mqtt import client as paho
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError:
            raise MissingExtraError("--mqtt needs paho-mqtt: pip install 'personsearch[mqtt]'") from None
        self._shown = host_of(url)
        head, _, rest = url.partition("://")
        login, sign, place = rest.rpartition("@")
        try:
            parts = urlsplit(f"{head}://{place}")
            port = parts.port
        except ValueError:
            raise ConfigError(f"--mqtt {self._shown}: the port must be a number") from None
        self._topic = unquote(parts.path.strip("/"))
        if parts.scheme not in _PORTS or not parts.hostname or not self._topic or set("#+?") & set(place):
            raise ConfigError(f"--mqtt {self._shown}: must be mqtt://host:port/topic, or mqtts:// for TLS")
        self.delivered = self.failed = 0
        self._sent = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        if parts.scheme == "mqtts":
            self._client.tls_set()
        if sign:
            user, _, password = login.partition(":")
            self._client.username_pw_set(unquote(user), unquote(password) or None)
        self._client.max_queued_messages_set(MOST_WAITING)
        self._client.reconnect_delay_set(1, 60)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_connect_fail = self._unreachable
        self._client.on_publish = self._published
        self._trouble: str | None = None
        self._client.connect_async(parts.hostname, port or _PORTS[parts.scheme], keepalive=30)
        self._client.loop_start()

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._say(str(reason).lower())
        else:
            self._trouble = None
            logger.info("%s: connected", self._shown)

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._say("the connection was lost")

    def _unreachable(self, _client: Any, _data: Any) -> None:
        self._say("it cannot be reached")

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            logger.warning("%s: %s; trying again, alerts wait", self._shown, trouble)
        self._trouble = trouble

    def _published(self, _client: Any, _data: Any, _number: Any, _reason: Any, _properties: Any) -> None:
        self.delivered += 1

    def send(self, text: str) -> None:
        """Have a line of JSON published."""
        code = self._client.publish(self._topic, text, qos=1).rc
        if code in (0, _NO_CONNECTION):
            self._sent += 1
        else:
            self.failed += 1

    def close(self, wait: float) -> None:
        """Publish what waits, for so many seconds at most; what is left is given up, and counted."""
        end = time.monotonic() + wait
        while self.delivered < self._sent and time.monotonic() < end:
            time.sleep(0.05)
        self.failed += self._sent - self.delivered
        self._client.disconnect()
        self._client.loop_stop()
