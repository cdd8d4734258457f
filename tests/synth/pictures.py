"""Hand-made plans and drawings, and painters that need no OpenGL because people are rectangles."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from personsearch.synth.cameras import Camera
from personsearch.synth.frame import Drawn, DrawnPerson
from personsearch.synth.plan import Appearance, Frame, Job

WIDTH, HEIGHT = 160, 120


def camera(name: str = "s1c1") -> Camera:
    return Camera(
        name=name, eye=(0, 3, 0), target=(0, 1, 9), field_of_view=60, width=WIDTH, height=HEIGHT, aspect=WIDTH / HEIGHT
    )


def appearance(seed: int = 0, label: int = 0, outfit: int = 0, x: float = 0.0) -> Appearance:
    return Appearance(
        seed=seed, label=label, outfit=outfit, position=(x, 9.0), heading=0.0, speed=1.0, phase=0.0, act=1
    )


def frame(appearances: Sequence[Appearance], name: str = "f", **changes: Any) -> Frame:
    values: dict[str, Any] = {"camera": camera(), "time": 0.0, "light": 0, "seed": 1, **changes}
    return Frame(name=name, appearances=tuple(appearances), **values)


def job(frames: Sequence[Frame], split: str = "train", scene: str = "s1", camera: str = "s1c1") -> Job:
    return Job(
        split=split, scene=scene, kind="street", world_seed=1, camera=camera, sensor_seed=5, frames=tuple(frames)
    )


def drawn_person(
    box: tuple[float, float, float, float],
    *,
    index: int = 0,
    visible_box: tuple[float, float, float, float] | None = (0, 0, 20, 60),
    visibility: float = 1.0,
    truncated: bool = False,
    foot: tuple[float, float] = (0, 0),
    keypoints: np.ndarray | None = None,
) -> DrawnPerson:
    return DrawnPerson(
        appearance=index,
        box=box,
        visible_box=visible_box,
        visibility=visibility,
        truncated=truncated,
        inside=1.0,
        keypoints=np.zeros((17, 3), np.float32) if keypoints is None else keypoints,
        foot=foot,
    )


def drawn(people: Sequence[DrawnPerson], width: int = WIDTH, height: int = HEIGHT) -> Drawn:
    image = np.zeros((height, width, 3), np.uint8)
    return Drawn(image=image, owner=np.zeros((height, width), np.uint8), people=list(people))


def small_plan(num_frames: int = 6, num_cameras: int = 2) -> tuple[Job, ...]:
    """Return two splits of one scene each; every frame shows two labelled people and one without a label."""
    jobs = []
    for split, scene, base in (("train", "s1", 0), ("test", "s2", 100)):
        for number in range(1, num_cameras + 1):
            name = f"{scene}c{number}"
            frames = [
                frame(
                    [
                        appearance(base + n % 3, base + n % 3, x=-1.5),
                        appearance(base + 3 + n % 2, base + 3 + n % 2, x=0.0),
                        appearance(900 + n, -1, x=1.5),
                    ],
                    name=f"{name}_{n:04d}",
                    camera=camera(name),
                    time=n * 2.0,
                    light=n % 2,
                    seed=base + n,
                    random_background=n == 1,
                )
                for n in range(num_frames + number)
            ]
            jobs.append(job(frames, split, scene, name))
    return tuple(jobs)


class BlockPainter:
    """Draws people as rectangles, whose colour follows from their seed, on a noisy background."""

    def light_name(self, planned: Frame) -> str:
        return ("sunny", "night")[planned.light]

    def draw(self, planned: Frame, gain: float) -> Drawn:
        rng = np.random.default_rng(planned.seed)
        light = rng.uniform(0.05, 0.3, (HEIGHT, WIDTH, 3))
        owner = np.zeros((HEIGHT, WIDTH), np.uint8)
        people = []
        for index, person in enumerate(planned.appearances):
            x1 = round(WIDTH / 2 + 30 * person.position[0]) - 12
            light[40:100, x1 : x1 + 24] = np.random.default_rng(person.seed).uniform(0.05, 0.8, 3)
            owner[40:100, x1 : x1 + 24] = index + 1
            box = (x1, 40, x1 + 24, 100)
            people.append(drawn_person(box, index=index, visible_box=box, foot=(x1 + 12, 100)))
        light *= gain
        image = np.rint(255 * np.clip(light / (1 + 0.25 * light), 0, 1) ** (1 / 2.2)).astype(np.uint8)
        return Drawn(image=image, owner=owner, people=people)

    def close(self) -> None:
        pass


class SlowPainter(BlockPainter):
    """Is slow enough for a test to interrupt it."""

    def draw(self, planned: Frame, gain: float) -> Drawn:
        time.sleep(0.05)
        return super().draw(planned, gain)


class DyingPainter(BlockPainter):
    """Kills its process in the fourth frame of one camera, as if memory had run out, unless ``MERCY`` is set."""

    def draw(self, planned: Frame, gain: float) -> Drawn:
        if planned.name == "s2c1_0003" and "MERCY" not in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().draw(planned, gain)


class BrokenPainter(BlockPainter):
    """Always fails."""

    def draw(self, planned: Frame, gain: float) -> Drawn:
        return super().draw(planned, gain / 0)


def open_blocks(job: Job, recipe: Any) -> BlockPainter:
    return BlockPainter()


def open_slowly(job: Job, recipe: Any) -> BlockPainter:
    return SlowPainter()


def open_and_die(job: Job, recipe: Any) -> BlockPainter:
    return DyingPainter()


def open_broken(job: Job, recipe: Any) -> BlockPainter:
    return BrokenPainter()


def open_without_graphics(job: Job, recipe: Any) -> BlockPainter:
    from personsearch.errors import MissingExtraError

    raise MissingExtraError("no OpenGL: apt-get install libegl1")


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files below a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make_small(folder: Path | str, **changes: Any) -> Path:
    """Make the set of the small plan without OpenGL; ``changes`` are arguments of ``make``, including ``recipe``."""
    from personsearch.synth import making
    from personsearch.synth.recipe import load_recipe

    recipe = changes.pop("recipe", None) or load_recipe("street-small")
    values: dict[str, Any] = {"workers": 2, "progress": False, "_open_painter": open_blocks, **changes}
    real, making.plan = making.plan, lambda recipe: small_plan()
    try:
        return making.make(recipe, folder, **values)
    finally:
        making.plan = real
