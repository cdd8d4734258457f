"""Where people and things stand in a photographed place, so that people of all sizes are seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.cameras import Camera
from personsearch.synth.plan.occluders import MOST_ALONE, Standing, place_things
from personsearch.synth.plan.types import Appearance, Thing
from personsearch.synth.plan.walks import THINGS
from personsearch.synth.recipe import Recipe

Box = tuple[float, float, float, float]

#: Height of a person, metres, and width of the box relative to it, for planning.
TALL, WIDE = 1.73, 0.36
#: Metres between two people.
SPACING = 0.5
#: Share of a person's box that must lie in the picture, and that a nearer person may hide.
LEAST_INSIDE, MOST_HIDDEN = 0.22, 0.7
#: Stretches into which the ground before a camera is divided.
STRETCHES = 96
#: Tries for one person, after which the frame goes without them.
TRIES = 60
#: Share of people who stand beside the one before.
TOGETHER = 0.3
#: Share of people who walk.
_WALKING = 0.6


@dataclass(frozen=True)
class Ground:
    """Where people may stand: ``near`` to ``far`` metres before the camera; ``indoors`` is None where it is unknown."""

    near: float
    far: float
    indoors: bool | None = None


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
    depths = _depths(recipe, camera, ground)
    for one in who:
        for _ in range(TRIES):
            beside = people[-1].position if people and rng.random() < TOGETHER else None
            place = _place(camera, ground, depths, beside, rng)
            if place is None or any(_distance(place, other.position) < SPACING for other in people):
                continue
            depth, box = _box(camera, place)
            if _inside(camera, box) < LEAST_INSIDE or any(_hides(other, (depth, box)) for other in boxes):
                continue
            boxes.append((depth, box))
            people.append(_person(recipe, one, place, ground, rng))
            break
    alone = int(rng.integers(1, MOST_ALONE + 1)) if rng.random() < recipe.places.things else 0
    spots = [_place(camera, ground, depths, None, rng) for _ in range(alone)]
    there = [Standing(one.position, *box) for one, box in zip(people, boxes, strict=True)]
    things = place_things(
        camera,
        there,
        [spot for spot in spots if spot is not None],
        indoors=ground.indoors,
        occluders=recipe.places.occluders,
        rng=rng,
    )
    return people, things


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


@dataclass(frozen=True)
class _Depths:
    """How far before a camera people stand: stretches of the ground, and the share of people in each.

    Attributes:
        edges: (K + 1,) distances along the ground, metres.
        shares: (K,) sum 1; empty where nobody can be seen at a wanted height.
    """

    edges: NDArray[np.float64]
    shares: NDArray[np.float64]


def _depths(recipe: Recipe, camera: Camera, ground: Ground) -> _Depths:
    """Share out people so that all octaves of the wanted range of heights are equally frequent.

    Heights that the depth of the place does not allow are not drawn at all, so that they do not pile up at its ends.
    """
    edges = np.geomspace(ground.near, ground.far, STRETCHES + 1)
    ahead = _forward(camera)
    feet = np.column_stack([edges * ahead[0], np.zeros_like(edges), edges * ahead[1]])
    bottom = camera.project(feet)[0][:, 1]
    top, depth = camera.project(feet + (0, TALL, 0))
    heights = np.maximum(bottom - top[:, 1], 1e-6) / camera.height
    inside = (np.minimum(bottom, camera.height) - np.maximum(top[:, 1], 0)) / (bottom - top[:, 1]).clip(1e-6)
    low, high = recipe.places.heights
    logs = np.log(heights)
    clipped = np.clip(logs, np.log(low), np.log(high))
    good = (inside >= LEAST_INSIDE) & (depth > 0.3) & (bottom > top[:, 1])
    shares = np.abs(np.diff(clipped)) * (good[1:] & good[:-1])
    total = shares.sum()
    return _Depths(edges, shares / total if total > 0 else np.zeros(0))


def _place(
    camera: Camera, ground: Ground, depths: _Depths, beside: tuple[float, float] | None, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Draw a place for somebody; None where there is none."""
    if not len(depths.shares):
        return None
    forward = _forward(camera)
    if beside is not None:
        turn, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.55, 1.0)
        x, z = beside[0] + away * np.sin(turn), beside[1] + away * np.cos(turn)
        return (float(x), float(z)) if ground.near <= forward @ (x, z) <= ground.far else None
    stretch = int(rng.choice(len(depths.shares), p=depths.shares))
    distance = float(np.exp(rng.uniform(*np.log(depths.edges[stretch : stretch + 2]))))
    middle = np.array([[distance * forward[0], TALL / 2, distance * forward[1]]])
    left, right = _columns(camera)
    across = rng.uniform(left, right) * float(camera.project(middle)[1][0])
    x, z = distance * forward + across * np.array([-forward[1], forward[0]])
    return float(x), float(z)


def _forward(camera: Camera) -> NDArray[np.float64]:
    """Return x, z of the level unit vector that the camera looks along."""
    ahead = np.array([camera.target[0] - camera.eye[0], camera.target[2] - camera.eye[2]])
    return np.asarray(ahead / np.linalg.norm(ahead))


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
