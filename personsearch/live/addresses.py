"""Addresses of cameras and services without what is secret in them: for names, logs and messages."""

from __future__ import annotations

import re

#: What follows one of these words in an address is not for others' eyes; some cameras have the password in the path.
_SECRET = re.compile(r"(?i)(user(?:name)?|login|pass(?:word|wd)?|pwd|token|secret|auth|api[-_]?key|key)=.*")
_UNUSUAL = re.compile(r"[^\w.+-]+")


def split_address(address: str) -> tuple[str, str]:
    """Return scheme (lower case) and what of the rest nobody needs to hide: host, port and path.

    Everything before the last ``@`` is taken for user and password, and everything from a ``?`` or ``#`` on, or from
    ``password=`` and the like in the path, is left out. A password that was not escaped may hold any of these signs.

    Example:
        >>> split_address("rtsp://me:p@ss/w@cam.local:554/hall?token=5")
        ('rtsp', 'cam.local:554/hall')
    """
    scheme, _, rest = address.partition("://")
    rest = rest.rpartition("@")[2]
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    return scheme.lower(), _SECRET.sub("", rest)


def shown_address(address: str) -> str:
    """Return an address as messages may show it.

    Example:
        >>> shown_address("rtsp://admin:secret@10.0.0.7/stream1")
        'rtsp://10.0.0.7/stream1'
        >>> shown_address("clips/door.mp4")
        'clips/door.mp4'
    """
    if "://" not in address:
        return address
    return "://".join(split_address(address))


def host_of(address: str) -> str:
    """Return scheme, host and port of an address: of a service whose path may be a secret, as those of chats are."""
    scheme, rest = split_address(address)
    return f"{scheme}://{rest.partition('/')[0]}"


def name_of(address: str) -> str:
    """Return a name for the camera at an address.

    Example:
        >>> name_of("rtsp://admin:secret@10.0.0.7:554/stream1"), name_of("https://cam.local/live/yard.m3u8")
        ('10.0.0.7-stream1', 'cam.local-live-yard.m3u8')
    """
    _, rest = split_address(address)
    host, _, path = rest.partition("/")
    return _UNUSUAL.sub("-", f"{host.partition(':')[0]}/{path}").strip("-.") or "camera"
