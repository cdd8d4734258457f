"""Where people and things stand in a photographed place, so that people of all sizes are seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.cameras import Camera
from personsearch.synth.plan.types import Appearance, Thing
from personsearch.synth.plan.walks import THINGS
from personsearch.synth.recipe import Recipe

Box = tuple[float, float, float, float]

#: Height of a person, metres, and width of the box relative to it, for planning.
TALL, WIDE = 1.73, 0.36
#: Metres between two people, and between a person and a thing.
SPACING, CLEARANCE = 0.5, 0.75
#: Share of a person's box that must lie in the picture, and that a nearer person may hide.
LEAST_INSIDE, MOST_HIDDEN = 0.22, 0.7
#: Tries for one person, after which the frame goes without them.
TRIES = 60
#: Share of people who stand beside the one before.
TOGETHER = 0.3
#: Things that hide nobody: most per frame.
MOST_THINGS = 2
#: An occluder stands at this share of the way to the person; nearer than this many metres nothing stands.
_WAY, _NEAREST = (0.55, 0.9), 1.1
_WALKING = 0.6


@dataclass(frozen=True)
class Ground:
    """Where people may stand: from ``near`` to ``far`` metres before the camera."""

    near: float
    far: float
    indoors: bool = False


def stand(
    recipe: Recipe, camera: Camera, ground: Ground, who: list[tuple[int, int, int]], rng: np.random.Generator
) -> tuple[list[Appearance], list[Thing]]:
    """Place people and things before a camera.

    Args:
        recipe: how tall people are in the picture, and how many have something before them.
        camera: of the photograph.
        ground: how deep the place is.
        who: seed, label and outfit of each person; those for whom there is no room are left out.
        rng: decides.

    Returns:
        The people, and the things that stand before some of them or anywhere.
    """
    people: list[Appearance] = []
    boxes: list[tuple[float, Box]] = []
    for one in who:
        for _ in range(TRIES):
            beside = people[-1].position if people and rng.random() < TOGETHER else None
            place = _place(recipe, camera, ground, beside, rng)
            if place is None or any(_distance(place, other.position) < SPACING for other in people):
                continue
            depth, box = _box(camera, place)
            if _inside(camera, box) < LEAST_INSIDE or any(_hides(other, (depth, box)) for other in boxes):
                continue
            boxes.append((depth, box))
            people.append(_person(recipe, one, place, ground, rng))
            break
    return people, _things(recipe, camera, ground, people, rng)


def _person(
    recipe: Recipe, who: tuple[int, int, int], place: tuple[float, float], ground: Ground, rng: np.random.Generator
) -> Appearance:
    seed, label, outfit = who
    carried = ""
    if rng.random() < recipe.people.things:
        carried = str(rng.choice([name for name, _ in THINGS], p=[share for _, share in THINGS]))
        carried = "" if carried == "umbrella" and ground.indoors else carried
    walks = rng.random() < _WALKING
    return Appearance(
        seed=seed,
        label=label,
        outfit=outfit,
        position=place,
        heading=float(rng.uniform(0, 2 * np.pi)),
        speed=float(np.clip(rng.normal(1.3, 0.2), 0.8, 1.8)) if walks else 0.0,
        phase=float(rng.random()),
        act=int(rng.integers(2**31)),
        companion_thing=carried,
    )


def _place(
    recipe: Recipe,
    camera: Camera,
    ground: Ground,
    beside: tuple[float, float] | None,
    rng: np.random.Generator,
) -> tuple[float, float] | None:
    """Draw a place where a person has a height that all octaves of the wanted range share evenly."""
    if beside is not None:
        turn, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.55, 1.0)
        x, z = beside[0] + away * np.sin(turn), beside[1] + away * np.cos(turn)
        within = ground.near <= _forward(camera) @ (x, z) <= ground.far
        return (float(x), float(z)) if within else None
    # Height in the picture = scale / depth. What the place's depth does not allow is not drawn at all, so that heights
    # do not pile up at its ends.
    scale = _scale(camera)
    low, high = recipe.places.heights
    low, high = max(low, scale / ground.far), min(high, scale / ground.near)
    if low >= high:
        return None
    depth = scale / float(np.exp(rng.uniform(np.log(low), np.log(high))))
    forward = _forward(camera)
    left, right = _columns(camera)
    across = rng.uniform(left, right) * depth
    x, z = depth * forward + across * np.array([-forward[1], forward[0]])
    return float(x), float(z)


def _things(
    recipe: Recipe, camera: Camera, ground: Ground, people: list[Appearance], rng: np.random.Generator
) -> list[Thing]:
    if recipe.places.occluders == recipe.places.things == 0:
        return []
    from personsearch.synth.world.props import prop_names

    names = prop_names(indoors=ground.indoors)
    things: list[Thing] = []
    for person in people:
        if rng.random() >= recipe.places.occluders:
            continue
        place = np.array(person.position)
        way = rng.uniform(*_WAY) * place + rng.normal(0, 0.22, 2)
        if _forward(camera) @ way > _NEAREST:
            things.append(_thing(names, way, rng))
    if rng.random() < recipe.places.things:
        for _ in range(int(rng.integers(1, MOST_THINGS + 1))):
            place_or_none = _place(recipe, camera, Ground(max(ground.near, 1.5), ground.far), None, rng)
            if place_or_none is not None:
                things.append(_thing(names, np.array(place_or_none), rng))
    return [thing for thing in things if all(_distance(thing.position, one.position) > CLEARANCE for one in people)]


def _thing(names: tuple[str, ...], place: NDArray[np.float64], rng: np.random.Generator) -> Thing:
    return Thing(
        name=str(rng.choice(names)),
        seed=int(rng.integers(2**31)),
        position=(float(place[0]), float(place[1])),
        heading=float(rng.uniform(0, 2 * np.pi)),
    )


def _forward(camera: Camera) -> NDArray[np.float64]:
    """Return x, z of the level unit vector that the camera looks along."""
    ahead = np.array([camera.target[0] - camera.eye[0], camera.target[2] - camera.eye[2]])
    return np.asarray(ahead / np.linalg.norm(ahead))


def _scale(camera: Camera) -> float:
    """Return a person's height as a share of the picture's height, times the distance in metres."""
    _, y1, _, y2 = camera.window
    focal = camera.aspect / np.tan(np.radians(camera.field_of_view) / 2)
    return float(focal / 2 / (y2 - y1) * TALL)


def _columns(camera: Camera) -> tuple[float, float]:
    """Return the range of x / z that the picture shows, to the right; a little is added on both sides."""
    x1, _, x2, _ = camera.window
    half = np.tan(np.radians(camera.field_of_view) / 2)
    margin = 0.04 * (x2 - x1)
    return float((2 * (x1 - margin) - 1) * half), float((2 * (x2 + margin) - 1) * half)


def _box(camera: Camera, place: tuple[float, float]) -> tuple[float, Box]:
    """Return a person's distance and unclipped box, pixels."""
    pixels, depth = camera.project(np.array([[place[0], 0.0, place[1]], [place[0], TALL, place[1]]]))
    (x_low, bottom), (x_high, top) = pixels
    middle, half = (x_low + x_high) / 2, WIDE / 2 * (bottom - top)
    return float(depth[0]), (float(middle - half), float(top), float(middle + half), float(bottom))


def _inside(camera: Camera, box: Box) -> float:
    x1, y1, x2, y2 = box
    wide = min(x2, camera.width) - max(x1, 0.0)
    high = min(y2, camera.height) - max(y1, 0.0)
    return max(wide, 0.0) * max(high, 0.0) / max((x2 - x1) * (y2 - y1), 1e-9)


def _hides(one: tuple[float, Box], other: tuple[float, Box]) -> bool:
    """Return whether the nearer of two people hides most of the other."""
    near, far = sorted((one, other), key=lambda item: item[0])
    (a1, b1, a2, b2), (c1, d1, c2, d2) = near[1], far[1]
    both = max(min(a2, c2) - max(a1, c1), 0.0) * max(min(b2, d2) - max(b1, d1), 0.0)
    return both > MOST_HIDDEN * (c2 - c1) * (d2 - d1)


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    return float(np.hypot(one[0] - other[0], one[1] - other[1]))
