"""Watching cameras: who is before them goes into a gallery, and an alert says when somebody known is seen."""

from personsearch.live.alerts import Alert
from personsearch.live.cameras import Camera, Feed, cameras_of, read_cameras
from personsearch.live.mqtt import Mqtt
from personsearch.live.report import CameraReport, WatchReport
from personsearch.live.watching import watch
from personsearch.live.webhook import Webhook

__all__ = [
    "Alert",
    "Camera",
    "CameraReport",
    "Feed",
    "Mqtt",
    "WatchReport",
    "Webhook",
    "cameras_of",
    "read_cameras",
    "watch",
]
