"""A running service for tests: the real application in a real uvicorn on loopback."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI
from PIL import Image

from personsearch import Gallery
from personsearch.serve.running import listen, settings
from tests.support import toy_scene

PEOPLE = [(0, 10, 10), (1, 60, 20), (2, 115, 8)]


@contextmanager
def running(app: FastAPI) -> Iterator[httpx.Client]:
    """Serve an application in a thread, and lend a client of it."""
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = uvicorn.Server(settings(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@dataclass(frozen=True)
class Served:
    """A service with a gallery of its own, which a test may change."""

    client: httpx.Client
    app: FastAPI
    folder: Path
    files: Path

    def gallery(self) -> Gallery:
        return Gallery.open(self.folder, mode="r")


def encoded(picture: Image.Image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    picture.save(file, form)
    return file.getvalue()


def scene_png(seed: int = 0) -> bytes:
    return encoded(toy_scene(PEOPLE, seed=seed))


def error_of(answer: httpx.Response) -> str:
    """Return the sentence of a refusal, after what holds of every refusal."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    body = answer.json()
    assert list(body) == ["error"]
    assert "Traceback" not in body["error"]
    return str(body["error"])
