"""Taking the frames of a plan as photographs: drawn, exposed for the light, and developed by the camera's sensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike

from personsearch.synth.backgrounds import random_background
from personsearch.synth.plan import PHOTO, Frame, Job
from personsearch.synth.sensor import (
    NEUTRAL,
    PERFECT,
    Image,
    Sensor,
    develop,
    exposure_gain,
    grey_world,
    photo_sensor,
    sensor_for,
)

if TYPE_CHECKING:
    from personsearch.synth.frame import Drawn
    from personsearch.synth.recipe import Recipe

#: Brightness that automatic exposure aims at, relative to the sensor's usual target: dark places stay dark.
TARGET_SCALES = {"dusk": 0.8, "night": 0.5}
#: Least and greatest factor by which all light is scaled for one camera in one light.
GAIN_RANGE = (0.3, 4.0)

#: Factor, as a standard deviation of its logarithm, by which the exposure of a photographed place is varied.
PLATE_EXPOSURE = 0.15
#: Least and greatest gain that the automatic exposure may want for a photographed place.
PLATE_GAINS = (0.6, 3.0)

_FRAME_KEY = 74


class Painter(Protocol):
    """Draws the frames of one place."""

    def light_name(self, frame: Frame) -> str:
        """Return the name of the light in which the frame is drawn."""
        ...

    def draw(self, frame: Frame, gain: float) -> Drawn:
        """Draw a frame with all light multiplied by ``gain``."""
        ...

    def close(self) -> None:
        """Release the painter's resources."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Photograph:
    """A frame as its camera stores it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        drawn: the frame before the sensor, with its people.
    """

    image: Image
    drawn: Drawn


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """How a camera is set for one light: gain of the light, white-balance gains, scale of the exposure target."""

    sensor: Sensor
    gain: float
    balance: ArrayLike
    target_scale: float


class Photographer:
    """Takes the photographs of one job.

    A camera is exposed and balanced once for each light, by the job's first frame in that light, so that a frame's
    pixels do not depend on which frames are taken before it.

    Args:
        painter: draws the job's place; the caller closes it.
        job: the plan of the camera.
        recipe: says whether cameras have sensors of their own.
    """

    def __init__(self, painter: Painter, job: Job, recipe: Recipe) -> None:
        self._painter = painter
        self._job = job
        self._recipe = recipe
        self._settings: dict[tuple[str, int], _Settings] = {}

    def take(self, frame: Frame) -> Photograph:
        """Draw a frame of the job and develop it."""
        if frame.backdrop is not None:
            return self._over_plate(frame)
        key = (frame.camera.name, frame.light)
        if key not in self._settings:
            first = next(one for one in self._job.frames if (one.camera.name, one.light) == key)
            self._settings[key] = self._set_up(first)
        settings = self._settings[key]
        drawn = self._painter.draw(frame, settings.gain)
        rng = np.random.default_rng([_FRAME_KEY, frame.seed])
        image = random_background(drawn.image, drawn.owner, rng) if frame.random_background else drawn.image
        image = develop(image, settings.sensor, rng, balance=settings.balance, target_scale=settings.target_scale)
        return Photograph(image=image, drawn=drawn)

    def _over_plate(self, frame: Frame) -> Photograph:
        """Take a frame whose place is a photograph, which is exposed already; one sensor goes over all of it."""
        drawn = self._painter.draw(frame, 1.0)
        rng = np.random.default_rng([_FRAME_KEY, frame.seed])
        sensor = sensor_of(self._job, frame, self._recipe)
        gain = 1.0
        if sensor is not PERFECT:
            # The sensor's automatic exposure goes part of the way: dark places become lighter, but stay dark.
            wanted = exposure_gain(drawn.image, sensor, *PLATE_GAINS)
            gain = wanted ** rng.uniform(0, 0.9) * float(np.exp(rng.normal(0, PLATE_EXPOSURE)))
        return Photograph(image=develop(drawn.image, sensor, rng, gain=gain), drawn=drawn)

    def _set_up(self, frame: Frame) -> _Settings:
        # The light itself is scaled: in the renderer's 8 bits, what is too dark or too bright would be lost.
        sensor = sensor_of(self._job, frame, self._recipe)
        image = self._painter.draw(frame, 1.0).image
        scale = TARGET_SCALES.get(self._painter.light_name(frame), 1.0)
        balance: ArrayLike = NEUTRAL if sensor is PERFECT else grey_world(image)
        gain = exposure_gain(image, sensor, *GAIN_RANGE, balance=balance, target_scale=scale)
        return _Settings(sensor=sensor, gain=gain, balance=balance, target_scale=scale)


def sensor_of(job: Job, frame: Frame, recipe: Recipe) -> Sensor:
    """Return the sensor that takes a frame: the job's own, or that of a hand-held camera."""
    if not recipe.randomise.sensor:
        return PERFECT
    return sensor_for(job.sensor_seed) if frame.camera.name == job.camera else photo_sensor(frame.seed)


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
    """Return a painter that draws a job's place, or lays people over photographs of places, with OpenGL.

    Raises:
        MissingExtraError: a library of the extra ``synth`` is missing.
        RenderError: there is no OpenGL through EGL.
    """
    if job.kind == PHOTO:
        from personsearch.synth.plates.painter import PlatePainter

        return PlatePainter(job, recipe)
    return _StagePainter(job, recipe)
