"""Draws the frames of photographed places: people and things over a photograph, in its light."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from personsearch.synth.cameras import Camera
from personsearch.synth.frame import Drawn, measured_people, open_stage_of, posed_people
from personsearch.synth.geometry import Mesh
from personsearch.synth.people.character import Posed
from personsearch.synth.people.figures import posed_figure
from personsearch.synth.plan import Backdrop, Frame, Job, Thing
from personsearch.synth.plan.occluders import extent_of, moved
from personsearch.synth.plates.compose import Footprint, compose
from personsearch.synth.plates.light import find_light_map, light_of_panorama, light_of_view
from personsearch.synth.plates.views import Image, plain_backdrop, view_of_plate, whole_plate
from personsearch.synth.posters import poster_meshes
from personsearch.synth.recipe import Recipe
from personsearch.synth.shapes import ground_patch
from personsearch.synth.world.props import Prop, build_prop, placed_prop
from personsearch.synth.world.types import Light, World

#: The ground that catches shadows: its half extent, metres; and its height, just below the soles.
_REACH, _GROUND_HEIGHT = 60.0, -0.006
_GREY = 0.45
#: Radius of the shadow under a person, metres; of things, what is lower than this stands on the ground, and the shadow
#: reaches beyond it by this much.
_FOOTING, _TOUCHING, _RIM = 0.3, 0.25, 0.15
#: A view that takes more than one pixel from each of the plate's is soft; the drawing is blurred by this much of it.
_SOFTNESS = (0.2, 0.5)

#: Larger plates are reduced to this many pixels of the longer side; photographs, to this many times the picture's.
LONGEST_PANORAMA, _LONGEST_PHOTO = 4096, 2

_PLATE_KEY = 79


class PlatePainter:
    """Draws the frames of a job of photographed places.

    Args:
        job: its frames have backdrops.
        recipe: names the folder of photographs.

    Raises:
        MissingExtraError: a library of the extra ``synth`` is missing.
        RenderError: there is no OpenGL through EGL.
    """

    def __init__(self, job: Job, recipe: Recipe) -> None:
        self._recipe = recipe
        self._folder = Path(recipe.places.photos or "")
        self._stage = open_stage_of(_bare_ground(job.world_seed), recipe)

    def light_name(self, frame: Frame) -> str:
        """Return the name of the photograph's light."""
        return _backdrop(frame).light

    def draw(self, frame: Frame, gain: float) -> Drawn:
        """Draw a frame over its photograph.

        Args:
            frame: has a backdrop.
            gain: must be 1: the photograph is exposed already.
        """
        backdrop, camera = _backdrop(frame), frame.camera
        rng = np.random.default_rng([_PLATE_KEY, frame.seed])
        view, enlarged, light = _lit_view(self._folder, backdrop, camera, rng)
        people = posed_people(self._stage, frame)
        props = [self._built(thing) for thing in backdrop.things]
        meshes, figures = _parts(backdrop.things, props)
        picture = self._stage.renderer.draw(
            camera, light, people, figures=figures, props=meshes, gain=gain, cut_out=True
        )
        softness = max(0.0, enlarged - 1) * float(rng.uniform(*_SOFTNESS))
        image = compose(view, picture, camera, _footprints(frame, props), softness=softness, rng=rng)
        return measured_people(self._stage, frame, people, picture, image)

    def _built(self, thing: Thing) -> Prop:
        return build_prop(thing.name, thing.seed, indoors=thing.indoors, textures=self._recipe.randomise.textures)

    def close(self) -> None:
        """Release the renderer."""
        self._stage.close()


def _backdrop(frame: Frame) -> Backdrop:
    if frame.backdrop is None:
        raise ValueError(f"frame {frame.name} has no photograph behind it")
    return frame.backdrop


def _lit_view(folder: Path, backdrop: Backdrop, camera: Camera, rng: np.random.Generator) -> tuple[Image, float, Light]:
    """Return the view of a backdrop, how much it is enlarged, and its light."""
    if not backdrop.photo:
        view = plain_backdrop(camera.height, camera.width, rng)
        # People in front of a black backdrop are lit, or nobody could see them.
        lit = np.full_like(view[:8, :8], int(rng.integers(110, 215)))
        return view, 1.0, light_of_view(lit, name=backdrop.light, outdoors=False, rng=rng)
    longest = LONGEST_PANORAMA if backdrop.panorama else _LONGEST_PHOTO * max(camera.width, camera.height)
    plate = whole_plate(folder, backdrop.photo, longest)
    view, enlarged = view_of_plate(plate, camera, panorama=backdrop.panorama, mirrored=backdrop.mirrored)
    if not backdrop.panorama:
        return view, enlarged, light_of_view(view, name=backdrop.light, outdoors=backdrop.outdoors, rng=rng)
    light = light_of_panorama(
        plate,
        name=backdrop.light,
        outdoors=backdrop.outdoors,
        rng=rng,
        mirrored=backdrop.mirrored,
        light_map=find_light_map(folder / backdrop.photo),
    )
    return view, enlarged, light


def _parts(things: Sequence[Thing], props: Sequence[Prop]) -> tuple[list[Mesh], list[Posed]]:
    standing = [placed_prop(prop, *thing.position, thing.heading) for thing, prop in zip(things, props, strict=True)]
    meshes = [mesh for prop in standing for mesh in prop.meshes]
    meshes += poster_meshes([poster for prop in standing for poster in prop.posters])
    return meshes, [posed_figure(figure) for prop in standing for figure in prop.figures]


def _footprints(frame: Frame, props: Sequence[Prop]) -> list[Footprint]:
    people = [Footprint(one.position, _FOOTING) for one in frame.appearances]
    return people + [_footprint(thing, prop) for thing, prop in zip(_backdrop(frame).things, props, strict=True)]


def _footprint(thing: Thing, prop: Prop) -> Footprint:
    low = extent_of(prop, _TOUCHING)
    return Footprint(moved(low.middle, thing.heading, thing.position), _RIM, low.half, thing.heading)


def _bare_ground(seed: int) -> World:
    solid = ground_patch((-_REACH, -_REACH, _REACH, _REACH), y=_GROUND_HEIGHT, cell=2 * _REACH)
    count = len(solid[0])
    # One point of the material's pattern everywhere, so that only shadows vary.
    ground = Mesh(
        material="plaster",
        positions=solid[0],
        normals=solid[1],
        surface=np.zeros((count, 3), np.float32),
        colours=np.full((count, 3), _GREY, np.float32),
        triangles=solid[2],
        casts_shadow=False,
    )
    area = (-_REACH, -_REACH, _REACH, _REACH)
    return World(kind="photo", seed=seed, meshes=(ground,), walkable=area, bounds=area, lights=())
