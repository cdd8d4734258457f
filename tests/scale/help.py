"""A toy album, and a picture that a worker waits for until a test lets it go, or ends it."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from personsearch import Gallery
from tests.support import toy_scene


def album(folder: Path, count: int) -> dict[str, Path]:
    """Write pictures; returns them by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        toy_scene([(0, 10, 10), (1, 60, 20)], seed=number).save(folder / f"{number:02d}.png")
    return {path.name: path for path in sorted(folder.glob("*.png"))}


def rows(gallery: str | Path) -> list[tuple[Any, ...]]:
    """Return everything that a gallery holds, bit for bit, by image_id."""
    with Gallery.open(gallery, mode="r") as opened:
        assert opened.check() == []
        return sorted(
            (
                scene.image_id,
                scene.camera,
                scene.time,
                sorted(scene.extra.items()),
                scene.detections.image_size,
                scene.detections.boxes.tobytes(),
                scene.detections.scores.tobytes(),
                scene.detections.embeddings.tobytes(),
            )
            for scene in opened.everything()
        )


class Trap:
    """A pipe in the place of a picture: whoever opens it waits there.

    Args:
        picture: that the pipe takes the place of.
        caught: called with the process that has opened it, once for each that does.
    """

    def __init__(self, picture: Path, caught: Callable[[Trap, int], None]) -> None:
        self.picture, self.pids = picture, []
        self._content, self._caught = picture.read_bytes(), caught
        picture.unlink()
        os.mkfifo(picture)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    pids: list[int]

    @property
    def sprung(self) -> bool:
        """Whether the picture is in its place again."""
        return not stat.S_ISFIFO(self.picture.stat().st_mode)

    def open(self) -> None:
        """Put the picture back; who waits at the pipe goes on waiting."""
        again = self.picture.with_suffix(".again")
        again.write_bytes(self._content)
        os.replace(again, self.picture)

    def _watch(self) -> None:
        while not self.sprung:
            end = os.open(self.picture, os.O_WRONLY)  # waits for a reader
            for pid in readers(self.picture):
                self.pids.append(pid)
                self._caught(self, pid)
            while readers(self.picture):
                threading.Event().wait(0.02)
            os.close(end)


def readers(pipe: Path) -> list[int]:
    """Return the other processes that have a file open."""
    try:
        wanted = pipe.stat().st_ino
    except FileNotFoundError:
        return []
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            if any(fd.stat().st_ino == wanted for fd in (process / "fd").iterdir()):
                found.append(int(process.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def let_go_and_kill(trap: Trap, pid: int) -> None:
    """Put the picture back, and end the process that waits for it."""
    trap.open()
    os.kill(pid, signal.SIGKILL)


def kill(_: Trap, pid: int) -> None:
    """End the process that waits for the picture, and whoever comes after it, too."""
    os.kill(pid, signal.SIGKILL)


def wait(_: Trap, __: int) -> None:
    """Let it wait."""
