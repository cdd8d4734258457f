"""The service as a process: it listens, says where, and ends cleanly."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from personsearch.demo import demo_scenes
from personsearch.errors import ConfigError
from personsearch.gallery import Gallery
from personsearch.searcher import PersonSearcher

#: Connections that are open at once.
MOST_CONNECTIONS = 200
#: Seconds that a connection may be silent between two requests.
KEEP_ALIVE = 20
#: Seconds that requests in work have at the end.
GRACE = 20
#: Bytes of a request's head.
MOST_HEAD = 64 * 1024


@contextmanager
def demo_gallery(searcher: PersonSearcher, progress: bool | None = None) -> Iterator[tuple[Path, bytes]]:
    """Index the bundled scenes into a gallery that is removed at the end.

    Args:
        searcher: any weights.
        progress: None = a bar on a terminal.

    Yields:
        The gallery's folder, and a JPEG to try: a scene that shows people of the gallery, and is not in it.
    """
    scenes, queries = demo_scenes()
    own = queries[0].image_id
    with tempfile.TemporaryDirectory(prefix="personsearch-demo-") as folder:
        path = Path(folder) / "demo"
        with Gallery.open(path, searcher.spec, calibration=searcher.calibration) as gallery:
            searcher.index(
                {scene.image_id: scene.path for scene in scenes if scene.image_id != own},
                gallery,
                cameras={scene.image_id: scene.camera for scene in scenes if scene.camera and scene.image_id != own},
                times={
                    scene.image_id: scene.time for scene in scenes if scene.time is not None and scene.image_id != own
                },
                progress=progress,
            )
            gallery.people.group()
        yield path, next(scene.path for scene in scenes if scene.image_id == own).read_bytes()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: name or address.
        port: 0 = any that is free.

    Raises:
        ConfigError: the address is not of this machine, or the port is taken or not allowed.
    """
    try:
        family = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0][0]
        # Only where it is said that this is TCP, asyncio sends small answers at once, rather than 40 ms later.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise ConfigError(f"--host {host}: is no address of this machine ({error.strerror})") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host.strip("[]"), port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"--host {host} --port {port}: cannot listen there ({error.strerror}); give another --port, 0 for any that "
            "is free"
        ) from None
    listening.set_inheritable(True)
    return listening


def serve(app: FastAPI, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Answer requests until the process is asked to end (SIGTERM, Ctrl-C); requests in work are finished.

    Args:
        app: of ``create_app``.
        listening: of :func:`listen`.
        ready: called once requests are answered.
    """

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # its warnings are of what clients do wrong
    with contextlib.suppress(KeyboardInterrupt):  # which uvicorn raises again once it is done
        Server(settings(app)).run(sockets=[listening])


def settings(app: FastAPI) -> uvicorn.Config:
    """Return how uvicorn runs the service."""
    return uvicorn.Config(
        app,
        access_log=False,  # addresses may have names of people in them
        log_level="warning",
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=MOST_HEAD,
        http="h11",
        ws="none",
    )


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that what the block made is cleared away; it raises nothing."""

    def end(number: int, frame: FrameType | None) -> None:
        raise _Ended

    before = signal.signal(signal.SIGTERM, end)
    try:
        with contextlib.suppress(_Ended):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Ended(BaseException):
    """The process was asked to end."""
