"""What a worker does: all frames of one job, from the plan to pictures and labels on the disk.

A job's part file is written after its last picture; whoever finds it may rely on all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
from numpy.typing import ArrayLike

from personsearch.durable import write_durably
from personsearch.synth.backgrounds import random_background
from personsearch.synth.labels import Row, annotation_rows, image_row
from personsearch.synth.plan_types import Frame, Job
from personsearch.synth.sensor import (
    NEUTRAL,
    PERFECT,
    Image,
    Sensor,
    develop,
    encode_jpeg,
    exposure_gain,
    grey_world,
    photo_sensor,
    sensor_for,
)

if TYPE_CHECKING:
    from personsearch.synth.frame import Drawn
    from personsearch.synth.recipe import Recipe

PARTS = ".parts"
#: How bright a session's pictures are meant to be, relative to the camera's target: automatic exposure stops early.
TARGET_SCALES = {"dusk": 0.8, "night": 0.5}
#: How far the light itself is turned up or down for a camera's session.
GAIN_RANGE = (0.3, 4.0)

_FRAME_KEY = 74


class Painter(Protocol):
    """What draws the frames of one job."""

    def light_name(self, frame: Frame) -> str:
        """Return the name of the light that the frame is drawn in."""
        ...

    def draw(self, frame: Frame, gain: float) -> Drawn:
        """Draw a frame, all its light times ``gain``."""
        ...

    def close(self) -> None:
        """Give back what the job held."""
        ...


OpenPainter = Callable[[Job, "Recipe"], Painter]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What all jobs of a data set have in common.

    Attributes:
        recipe: that the set is made by.
        folder: of the set; pictures' folders are there already.
        names: path of each frame's picture below the folder, by the frame's name.
        keypoints: whether people's joints are written too.
        masks: whether an id mask is written for each picture.
        open_painter: a function of a module: makes what draws a job.
    """

    recipe: Recipe
    folder: Path
    names: dict[str, str]
    keypoints: bool
    masks: bool
    open_painter: OpenPainter


@dataclass(frozen=True, kw_only=True)
class _Session:
    """How a camera is set in one light: gain of the light, gains of its white balance, scale of its exposure."""

    sensor: Sensor
    gain: float
    balance: ArrayLike
    target_scale: float


def job_name(job: Job) -> str:
    """Return the name of a job, unique in its set."""
    return f"{job.split}-{job.scene}-{job.camera}"


def part_path(folder: Path, job: Job) -> Path:
    """Return where the labels of a finished job are."""
    return folder / PARTS / f"{job_name(job)}.json"


def mask_name(picture: str) -> str:
    """Return the path of the id mask that belongs to a picture."""
    return f"masks/{Path(picture).with_suffix('.png')}"


def sensor_of(job: Job, frame: Frame, recipe: Recipe) -> Sensor:
    """Return the sensor that a frame is taken with: the job's, or a hand-held camera's own."""
    if not recipe.randomise.sensor:
        return PERFECT
    return sensor_for(job.sensor_seed) if frame.camera.name == job.camera else photo_sensor(frame.seed)


def draw_job(job: Job, order: Order, frame_done: Callable[[], None]) -> None:
    """Draw a job and write its pictures, then its part file."""
    painter = order.open_painter(job, order.recipe)
    try:
        rows = _draw_frames(job, order, painter, frame_done)
    finally:
        painter.close()
    part = json.dumps({"job": job_name(job), "images": rows}, separators=(",", ":"))
    write_durably(part_path(order.folder, job), part.encode())


def _draw_frames(job: Job, order: Order, painter: Painter, frame_done: Callable[[], None]) -> list[Row]:
    sessions: dict[tuple[str, int], _Session] = {}
    rows = []
    for frame in job.frames:
        setting = (frame.camera.name, frame.light)
        if setting not in sessions:
            sessions[setting] = _set_up(painter, frame, sensor_of(job, frame, order.recipe))
        session = sessions[setting]
        drawn = painter.draw(frame, session.gain)
        image = _photograph(frame, drawn, session)
        name = order.names[frame.name]
        write_durably(order.folder / name, encode_jpeg(image))
        row = image_row(job, frame, name, image, painter.light_name(frame))
        if order.masks:
            row["mask"] = mask_name(name)
            write_durably(order.folder / row["mask"], cv2.imencode(".png", drawn.owner)[1].tobytes())
        row["annotations"] = annotation_rows(frame, drawn, keypoints=order.keypoints)
        rows.append(row)
        frame_done()
    return rows


def _set_up(painter: Painter, frame: Frame, sensor: Sensor) -> _Session:
    """Expose and balance a camera by its first frame in a light.

    The light itself is scaled, because the renderer's 8 bits would lose what is too dark or too bright.
    """
    image = painter.draw(frame, 1.0).image
    scale = TARGET_SCALES.get(painter.light_name(frame), 1.0)
    balance: ArrayLike = NEUTRAL if sensor is PERFECT else grey_world(image)
    gain = exposure_gain(image, sensor, *GAIN_RANGE, balance=balance, target_scale=scale)
    return _Session(sensor=sensor, gain=gain, balance=balance, target_scale=scale)


def _photograph(frame: Frame, drawn: Drawn, session: _Session) -> Image:
    rng = np.random.default_rng([_FRAME_KEY, frame.seed])
    image = random_background(drawn.image, drawn.owner, rng) if frame.random_background else drawn.image
    return develop(image, session.sensor, rng, balance=session.balance, target_scale=session.target_scale)


class _StagePainter:
    """Draws with the renderer."""

    def __init__(self, job: Job, recipe: Recipe) -> None:
        from personsearch.synth.frame import open_stage

        self._stage = open_stage(job, recipe)

    def light_name(self, frame: Frame) -> str:
        return self._stage.world.lights[frame.light].name

    def draw(self, frame: Frame, gain: float) -> Drawn:
        from personsearch.synth.frame import draw_frame

        return draw_frame(self._stage, frame, gain=gain)

    def close(self) -> None:
        self._stage.close()


def open_stage_painter(job: Job, recipe: Recipe) -> Painter:
    """Return what draws a job with the renderer; loads OpenGL."""
    return _StagePainter(job, recipe)
