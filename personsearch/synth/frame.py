"""One frame of the plan, drawn and measured pixel by pixel."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.geometry import Array
from personsearch.synth.people.character import Character, Posed, build_character, placed, pose_of
from personsearch.synth.people.figures import posed_figure
from personsearch.synth.people.identity import Identity, other_outfit, sample_identity
from personsearch.synth.plan import Appearance, Frame, Job
from personsearch.synth.posters import poster_meshes
from personsearch.synth.recipe import Recipe
from personsearch.synth.render import Picture, Renderer
from personsearch.synth.textures import load_textures
from personsearch.synth.world import build_world
from personsearch.synth.world.types import World

Box = tuple[float, float, float, float]
#: People whose meshes a stage keeps.
CHARACTERS_KEPT = 64


@dataclass(frozen=True, eq=False, kw_only=True)
class DrawnPerson:
    """One person of a drawn frame. Boxes are x1, y1, x2, y2 in pixels of the picture.

    Attributes:
        appearance: index into the frame's appearances.
        box: box around the whole person as drawn alone; may reach outside the picture.
        visible_box: box around the visible pixels; None where there are none.
        visibility: visible pixels / pixels of the person drawn alone, including those outside the picture; 0..1.
        truncated: whether the person reaches outside the picture.
        inside: share of the person drawn alone that lies in the picture, 0..1.
        keypoints: (17, 3) float32 in COCO's order: x, y, and 2 = visible, 1 = hidden, 0 = outside the picture.
        foot: x, y of the point on the ground below the person.
    """

    appearance: int
    box: Box
    visible_box: Box | None
    visibility: float
    truncated: bool
    inside: float
    keypoints: Array
    foot: tuple[float, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawn:
    """A drawn frame before the sensor.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        owner: (H, W) uint8: 0 = nobody, i + 1 = the frame's i-th appearance.
        people: everyone who would show at least one pixel if drawn alone.
    """

    image: NDArray[np.uint8]
    owner: NDArray[np.uint8]
    people: list[DrawnPerson]


class Stage:
    """A world in a renderer, with the people who were there most recently.

    Args:
        world: the world of the frames.
        width: of the pictures, pixels.
        height: of the pictures, pixels.
        identity_of: returns the person of a seed.
        textures: folder of photographed materials for some of the clothes; None = all cloth is procedural.

    Raises:
        MissingExtraError: a library of the extra ``synth`` is missing.
        RenderError: there is no OpenGL through EGL.
    """

    def __init__(
        self,
        world: World,
        width: int,
        height: int,
        identity_of: Callable[[int], Identity],
        *,
        textures: str | Path | None = None,
    ) -> None:
        self.world = world
        self.size = (width, height)
        self.renderer = Renderer(width, height)
        meshes = (*world.meshes, *poster_meshes(world.posters))
        self.renderer.set_world(meshes, lamps=any(light.lamps for light in world.lights), seed=world.seed)
        self.figures = [posed_figure(figure) for figure in world.figures]
        self._identity_of = identity_of
        self._textures = None if textures is None else load_textures(textures)
        self._characters: OrderedDict[tuple[int, int, str], Character] = OrderedDict()

    def character(self, seed: int, outfit: int = 0, thing: str = "") -> Character:
        """Return a person's mesh, which is built only if they have not been here recently."""
        key = (seed, outfit, thing)
        if key not in self._characters:
            identity = self._identity_of(seed)
            dressed = other_outfit(identity) if outfit else identity
            self._characters[key] = build_character(dressed, thing, textures=self._textures)
        self._characters.move_to_end(key)
        while len(self._characters) > CHARACTERS_KEPT:
            self._characters.popitem(last=False)
        return self._characters[key]

    def close(self) -> None:
        """Release the renderer."""
        self.renderer.release()


def open_stage(job: Job, recipe: Recipe) -> Stage:
    """Build a job's world and upload it to a renderer; see :func:`open_stage_of`."""
    return open_stage_of(
        build_world(job.kind, job.world_seed, lighting=recipe.randomise.lighting, textures=recipe.randomise.textures),
        recipe,
    )


def open_stage_of(world: World, recipe: Recipe) -> Stage:
    """Upload a world to a renderer, for the recipe's people and pictures.

    Raises:
        MissingExtraError: a library of the extra ``synth`` is missing.
        RenderError: there is no OpenGL through EGL.
    """
    randomise = recipe.randomise

    def identity_of(seed: int) -> Identity:
        return sample_identity(seed, look_alikes=recipe.look_alikes, patterns=randomise.patterns, bags=randomise.bags)

    return Stage(world, recipe.width, recipe.height, identity_of, textures=randomise.textures)


def draw_frame(stage: Stage, frame: Frame, gain: float = 1.0) -> Drawn:
    """Draw a frame and measure everyone in it.

    Args:
        stage: a stage of the frame's world, with the picture size of the frame's camera.
        frame: the frame as planned.
        gain: factor on all light, as exposure.
    """
    light = stage.world.lights[frame.light]
    people = posed_people(stage, frame)
    picture = stage.renderer.draw(frame.camera, light, people, figures=stage.figures, gain=gain)
    return measured_people(stage, frame, people, picture, picture.image)


def posed_people(stage: Stage, frame: Frame) -> list[Posed]:
    """Return the frame's people in their poses and places."""
    characters = [stage.character(one.seed, one.outfit, one.companion_thing) for one in frame.appearances]
    return [_posed(one, character) for one, character in zip(frame.appearances, characters, strict=True)]


def measured_people(
    stage: Stage, frame: Frame, people: Sequence[Posed], picture: Picture, image: NDArray[np.uint8]
) -> Drawn:
    """Measure everyone in a drawing.

    Args:
        stage: of the drawing.
        frame: as planned.
        people: as drawn last.
        picture: the drawing, which says who covers each pixel; owners beyond the people are nobody.
        image: (H, W, 3) uint8 RGB, the picture that comes of it.
    """
    measured = [_measured(stage.renderer, frame, picture, index, person) for index, person in enumerate(people)]
    owner = np.where(picture.owner <= len(people), picture.owner, np.uint8(0))
    return Drawn(image=image, owner=owner, people=[person for person in measured if person is not None])


def _posed(one: Appearance, character: Character) -> Posed:
    pose = pose_of(character, phase=one.phase, speed=one.speed, act=one.act)
    return placed(character, pose, one.position, one.heading)


def _measured(renderer: Renderer, frame: Frame, picture: Picture, index: int, person: Posed) -> DrawnPerson | None:
    camera, (height, width) = frame.camera, picture.owner.shape
    alone, inside, box = renderer.alone(camera, person)
    if box is None:
        return None
    x1, y1 = (int(max(0, corner)) for corner in box[:2])
    x2, y2 = int(min(width, box[2])), int(min(height, box[3]))
    own = picture.owner[y1:y2, x1:x2] == index + 1
    visible_box = None
    if own.any():
        columns, rows = np.flatnonzero(own.any(0)), np.flatnonzero(own.any(1))
        visible_box = (
            float(x1 + columns[0]),
            float(y1 + rows[0]),
            float(x1 + columns[-1] + 1),
            float(y1 + rows[-1] + 1),
        )
    appearance = frame.appearances[index]
    foot, _ = camera.project(np.array([[appearance.position[0], 0.0, appearance.position[1]]]))
    return DrawnPerson(
        appearance=index,
        box=box,
        visible_box=visible_box,
        visibility=min(1.0, float(own.sum()) / alone),
        truncated=box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height,
        inside=inside / alone,
        keypoints=_keypoints(frame, picture, index, person),
        foot=(float(foot[0, 0]), float(foot[0, 1])),
    )


def _keypoints(frame: Frame, picture: Picture, index: int, person: Posed) -> Array:
    """A joint is visible where its pixel belongs to its person, with nobody and nothing in front of it."""
    height, width = picture.owner.shape
    pixels, depth = frame.camera.project(person.keypoints)
    column, row = np.floor(pixels).astype(int).T
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height) & (depth > 0)
    owner = picture.owner[np.where(inside, row, 0), np.where(inside, column, 0)]
    state = np.where(inside, np.where(owner == index + 1, 2, 1), 0)
    return np.column_stack([pixels, state]).astype(np.float32)
