"""What stands in a photographed place beside people and in front of some: furniture, posts, pillars, cars, statues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from personsearch.synth.cameras import Camera
from personsearch.synth.plan.types import Thing
from personsearch.synth.world.props import Prop, build_prop, prop_names
from personsearch.synth.world.site import HEAD_ROOM

Place = tuple[float, float]
Box = tuple[float, float, float, float]

#: Half the breadth of a person, and the gap between a person and a thing, metres.
BODY, CLEARANCE = 0.25, 0.35
#: An occluder stands at this share of the way to the person; nearer than this many metres nothing stands.
WAY, NEAREST = (0.55, 0.9), 1.1
#: Share of a person's box that a thing may hide, and of the picture that it may fill.
MOST_HIDDEN, LARGEST = 0.75, 0.3
#: Something over which this much of a person can be seen, metres, may stand right in front of them.
SEEN_OVER = 0.55
#: Most things per frame that are nobody's occluder.
MOST_ALONE = 2
#: Things mostly face the camera: the standard deviation of the angle by which they do not, radians.
_TURNED = 0.7
_TRIES = 6
#: Things are further apart than this share of the sum of their radii.
_TOGETHER = 0.7
#: Radius of a figure that belongs to a prop, metres.
_FIGURE = 0.3


@dataclass(frozen=True)
class Extent:
    """The upright box around a prop that stands at the origin: x1, z1, x2, z2 on the ground, and the height, metres."""

    area: tuple[float, float, float, float]
    height: float

    @property
    def middle(self) -> Place:
        """x, z of the middle of the area."""
        x1, z1, x2, z2 = self.area
        return (x1 + x2) / 2, (z1 + z2) / 2

    @property
    def half(self) -> Place:
        """Half of the area's breadth and depth."""
        x1, z1, x2, z2 = self.area
        return (x2 - x1) / 2, (z2 - z1) / 2


@dataclass(frozen=True)
class Standing:
    """Somebody who stands in the frame: place, distance and box in the picture as planned."""

    place: Place
    depth: float
    box: Box


def extent_of(prop: Prop, top: float = HEAD_ROOM) -> Extent:
    """Return the box around a prop as built, of what is lower than ``top`` metres."""
    points = np.concatenate([mesh.positions for mesh in prop.meshes])
    low = points[points[:, 1] < top][:, [0, 2]]
    low = low if len(low) else points[:, [0, 2]]
    for figure in prop.figures:
        if figure.position[1] < top:
            at = np.array([figure.position[0], figure.position[2]])
            low = np.concatenate([low, [at - _FIGURE, at + _FIGURE]])
    (x1, z1), (x2, z2) = low.min(0).tolist(), low.max(0).tolist()
    return Extent((x1, z1, x2, z2), prop.height)


def moved(offset: Place, heading: float, place: Place) -> Place:
    """Return where a point of a prop, as built, is after the prop was turned and moved."""
    c, s = np.cos(heading), np.sin(heading)
    x, z = offset
    return float(place[0] + c * x + s * z), float(place[1] - s * x + c * z)


def place_things(
    camera: Camera,
    people: Sequence[Standing],
    spots: Sequence[Place],
    *,
    indoors: bool | None,
    occluders: float,
    rng: np.random.Generator,
) -> list[Thing]:
    """Place things before a camera.

    Nothing stands in anybody's or anything's way, hides most of a person or fills the picture.

    Args:
        camera: of the photograph, at x = z = 0.
        people: who stands there.
        spots: where something else may stand; one thing at most for each.
        indoors: which things suit the place; None = any.
        occluders: share of the people before whom something stands.
        rng: decides.
    """
    things: list[Thing] = []
    for person in people:
        if rng.random() < occluders:
            for _ in range(_TRIES):
                thing = _before(camera, person, _drawn(indoors, rng), rng)
                if thing is not None and _fits(camera, thing, people, things):
                    things.append(thing)
                    break
    for spot in spots:
        name, inside, seed = _drawn(indoors, rng)
        thing = Thing(name=name, seed=seed, position=spot, heading=_heading(spot, rng), indoors=inside)
        if _fits(camera, thing, people, things):
            things.append(thing)
    return things


def _drawn(indoors: bool | None, rng: np.random.Generator) -> tuple[str, bool, int]:
    """Draw a thing: its name, in which of the two lists it is, and its seed."""
    inside = bool(rng.random() < 0.5) if indoors is None else indoors
    names = prop_names(indoors=inside)
    return names[int(rng.integers(len(names)))], inside, int(rng.integers(2**31))


def _before(camera: Camera, person: Standing, drawn: tuple[str, bool, int], rng: np.random.Generator) -> Thing | None:
    """Put a thing between a person and the camera: low things anywhere, tall ones so that they hide one side."""
    name, inside, seed = drawn
    extent = _usual_extent(name, inside)
    share = float(rng.uniform(*WAY))
    distance = float(np.hypot(*person.place))
    if share * distance < NEAREST:
        return None
    towards = np.array(person.place) / distance
    heading = _heading(person.place, rng)
    # Of the person, what is higher than this is seen over the thing.
    seen_from = camera.eye[1] + (extent.height - camera.eye[1]) / share
    if seen_from < 1.7 - SEEN_OVER:
        aside = rng.normal(0, 0.2)
    else:
        half = _breadth(extent, heading, (float(towards[0]), float(towards[1]))) / 2
        aside = rng.choice([-1, 1]) * (half + BODY * share * rng.uniform(-0.7, 0.7))
    x, z = share * distance * towards + aside * np.array([-towards[1], towards[0]])
    middle = moved(extent.middle, heading, (0.0, 0.0))
    place = (float(x - middle[0]), float(z - middle[1]))
    return Thing(name=name, seed=seed, position=place, heading=heading, indoors=inside)


def _heading(place: Place, rng: np.random.Generator) -> float:
    """Return a heading towards the camera, or a little off it."""
    return float(np.arctan2(-place[0], -place[1]) + rng.normal(0, _TURNED))


def _fits(camera: Camera, thing: Thing, people: Sequence[Standing], things: Sequence[Thing]) -> bool:
    extent = _usual_extent(thing.name, thing.indoors)
    middle = moved(extent.middle, thing.heading, thing.position)
    reach = float(np.hypot(*extent.half))
    for other in things:
        its = _usual_extent(other.name, other.indoors)
        apart = _apart(middle, moved(its.middle, other.heading, other.position))
        if apart < _TOGETHER * (reach + float(np.hypot(*its.half))):
            return False
    if any(_gap(extent, thing, person.place) < CLEARANCE for person in people):
        return False
    x1, z1, x2, z2 = extent.area
    corners = [moved(corner, thing.heading, thing.position) for corner in ((x1, z1), (x1, z2), (x2, z1), (x2, z2))]
    points = np.array([(x, y, z) for x, z in corners for y in (0.0, extent.height)])
    pixels, depths = camera.project(points)
    if depths.min() < NEAREST * 0.6:
        return False
    box = (*pixels.min(0).tolist(), *pixels.max(0).tolist())
    if _overlap(box, (0, 0, camera.width, camera.height)) > LARGEST * camera.width * camera.height:
        return False
    for person in people:
        x1, y1, x2, y2 = person.box
        hidden = _overlap(box, person.box) / max((x2 - x1) * (y2 - y1), 1e-9)
        if depths.mean() < person.depth and hidden > MOST_HIDDEN:
            return False
    return True


@lru_cache(maxsize=256)
def _usual_extent(name: str, indoors: bool) -> Extent:
    """Return the extent of all of a few props of a name: building the thing itself would take as long as drawing it."""
    every = [extent_of(build_prop(name, seed, indoors=indoors)) for seed in range(2)]
    areas = np.array([extent.area for extent in every])
    (x1, z1), (x2, z2) = areas[:, :2].min(0).tolist(), areas[:, 2:].max(0).tolist()
    return Extent((x1, z1, x2, z2), max(extent.height for extent in every))


def _breadth(extent: Extent, heading: float, towards: Place) -> float:
    """Return how broad a turned thing looks along a level direction, metres."""
    turn = heading - float(np.arctan2(*towards))
    return float(2 * (extent.half[0] * abs(np.cos(turn)) + extent.half[1] * abs(np.sin(turn))))


def _gap(extent: Extent, thing: Thing, place: Place) -> float:
    """Return the distance on the ground between a thing's area and a point, metres; 0 inside."""
    c, s = np.cos(thing.heading), np.sin(thing.heading)
    dx, dz = place[0] - thing.position[0], place[1] - thing.position[1]
    x, z = c * dx - s * dz - extent.middle[0], s * dx + c * dz - extent.middle[1]
    return float(np.hypot(max(abs(x) - extent.half[0], 0), max(abs(z) - extent.half[1], 0)))


def _apart(one: Place, other: Place) -> float:
    return float(np.hypot(one[0] - other[0], one[1] - other[1]))


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)
