"""Who walks where and when: straight passages through a scene, which all its cameras see alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.cameras import Camera
from personsearch.synth.plan.types import Appearance
from personsearch.synth.plan.viewpoints import blocked, in_obstacle
from personsearch.synth.recipe import PeopleConfig
from personsearch.synth.world.types import World

#: Metres walked in one cycle of two steps.
CYCLE = 1.45
#: Least distance between two people, metres.
SPACING = 0.55
#: Share of the picture's height below which a person is too small to count.
MIN_HEIGHT = 0.07
#: Height of a person's box with shoes and hair, metres; and its width relative to its height.
TALL, WIDE = 1.73, 0.42
#: Where heights are controlled: share of a box that must be in the picture,
MIN_INSIDE = 0.35
#: and share of a box that another person may hide.
MAX_HIDDEN = 0.6
#: Factor on the radii of obstacles at which as many people are hidden as in drawn frames.
THICKNESS = 0.5
#: What people carry or push, and how often.
THINGS = (("umbrella", 0.35), ("trolley", 0.3), ("bicycle", 0.2), ("pram", 0.15))


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One person who crosses a scene, or stands in it.

    Attributes:
        seed: see ``Appearance``.
        label: see ``Appearance``.
        outfit: see ``Appearance``.
        start: x, z at time ``since``, metres.
        velocity: metres per second in x and z; (0, 0) = standing.
        heading: direction in which the person walks or looks, radians.
        since: seconds.
        act: see ``Appearance``.
        thing: see ``Appearance``.
    """

    seed: int
    label: int
    outfit: int
    start: tuple[float, float]
    velocity: tuple[float, float]
    heading: float
    since: float
    act: int
    thing: str

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (N, 2): x, z at (N,) times."""
        return np.asarray(np.array(self.start) + (times - self.since)[:, None] * np.array(self.velocity))

    def appearance(self, time: float) -> Appearance:
        """Return the person at one moment."""
        x, z = self.at(np.array([time]))[0]
        speed = float(np.hypot(*self.velocity))
        return Appearance(
            seed=self.seed,
            label=self.label,
            outfit=self.outfit,
            position=(float(x), float(z)),
            heading=self.heading,
            speed=speed,
            phase=float((self.act % 97 / 97 + speed * (time - self.since) / CYCLE) % 1),
            act=self.act,
            companion_thing=self.thing,
        )


def propose(
    rng: np.random.Generator,
    world: World,
    camera: Camera,
    people: PeopleConfig,
    others: list[Passage],
    time: float,
    who: tuple[int, int, int],
    place: NDArray[np.float64] | None = None,
) -> Passage:
    """Draw a random passage that a camera sees at ``time``.

    Args:
        rng: random generator.
        world: the scene's world.
        camera: the camera that is to see the person.
        people: how often people stand, join others or carry things.
        others: the people who are there at that time; a person who joins one keeps their pace and direction.
        time: seconds.
        who: seed, label, outfit.
        place: x, z at ``time``, unless the person joins another; None = anywhere in front of the camera.
    """
    act = int(rng.integers(2**31))
    thing = ""
    if rng.random() < people.things:
        thing = str(rng.choice([name for name, _ in THINGS], p=[share for _, share in THINGS]))
        thing = "" if thing == "umbrella" and world.ceiling is not None else thing
    if others and not thing and rng.random() < people.groups:
        friend = others[rng.integers(len(others))]
        start = friend.at(np.array([time]))[0] + rng.uniform(0.6, 0.95) * _direction(rng.uniform(0, 2 * np.pi))
        velocity, heading = friend.velocity, friend.heading + float(rng.normal(0, 0.15))
    else:
        start = _seen_place(rng, camera) if place is None else place
        heading = float(rng.uniform(0, 2 * np.pi))
        stands = rng.random() < people.standing and thing in ("", "umbrella", "trolley")
        speed = 0.0 if stands else float(np.clip(rng.normal(1.3, 0.18), 0.9, 1.7))
        across = speed * _direction(heading)
        velocity = (float(across[0]), float(across[1]))
    seed, label, outfit = who
    return Passage(
        seed=seed,
        label=label,
        outfit=outfit,
        start=(float(start[0]), float(start[1])),
        velocity=velocity,
        heading=heading,
        since=time,
        act=act,
        thing=thing,
    )


def possible(world: World, passage: Passage, times: NDArray[np.float64], others: list[Passage]) -> NDArray[np.bool_]:
    """Return, for each time, whether the person can be there: on free ground and not too close to anybody."""
    places = passage.at(times)
    x1, z1, x2, z2 = world.walkable
    free = (places >= (x1, z1)).all(1) & (places <= (x2, z2)).all(1) & ~in_obstacle(world, places, 0.25)
    wide = SPACING if not passage.thing else 1.1
    for other in others:
        free &= np.hypot(*(places - other.at(times)).T) > max(wide, 1.1 if other.thing else 0)
    return np.asarray(free)


def seen(camera: Camera, places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return, for (N, 2) places, whether most of a person there is in the picture and large enough."""
    ground = np.insert(places, 1, 0.0, axis=1)
    feet, depth = camera.project(ground)
    heads, _ = camera.project(ground + (0, 1.7, 0))
    size = (camera.width, camera.height)
    middle = (feet + heads) / 2
    inside = ((middle > 0) & (middle < size)).all(1) & (depth > 2.3)
    return np.asarray(inside & (feet[:, 1] - heads[:, 1] > MIN_HEIGHT * camera.height))


def box_heights(world: World, camera: Camera, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, for (N, 2) places, the height of a person's box as a share of the picture's height.

    Boxes are clipped to the picture. The height is 0 where there is no box, because too little of it is in the picture,
    it is too small, or something stands in front of it.
    """
    boxes, depth = _boxes(camera, places)
    inside = np.clip(boxes, 0, (camera.width, camera.height) * 2)
    wide, tall = (inside[:, 2:] - inside[:, :2]).T
    share = wide * tall / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-9)
    boxed = (depth > 1.2) & (share >= MIN_INSIDE) & (tall > MIN_HEIGHT * camera.height)
    boxed[boxed] = ~_hidden(world, camera, places[boxed])
    return np.where(boxed, tall / camera.height, 0.0)


def hides(camera: Camera, places: NDArray[np.float64]) -> bool:
    """Return whether a person at the last of (N, 2) places hides most of another person's box, or the reverse."""
    boxes, depth = _boxes(camera, places)
    in_view = (depth > 1.2) & (boxes[:, 2] > 0) & (boxes[:, 0] < camera.width)
    if not in_view[-1]:
        return False
    one, others = boxes[-1], boxes[:-1][in_view[:-1]]
    both = np.clip(np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2]), 0, None).prod(1)
    smaller = np.minimum((one[2:] - one[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(1))
    return bool((both > MAX_HIDDEN * smaller).any())


def _boxes(camera: Camera, places: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the (N, 4) unclipped boxes of people at (N, 2) places, and their (N,) distances in metres."""
    ground = np.insert(places, 1, 0.0, axis=1)
    feet, depth = camera.project(ground)
    heads, _ = camera.project(ground + (0, TALL, 0))
    middle, half = (feet[:, 0] + heads[:, 0]) / 2, WIDE / 2 * (feet[:, 1] - heads[:, 1])
    return np.stack([middle - half, heads[:, 1], middle + half, feet[:, 1]], axis=1), depth


def _hidden(world: World, camera: Camera, places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether obstacles hide at least three of four points of a person at each of (N, 2) places."""
    eye = np.array(camera.eye)
    line = places - eye[[0, 2]]
    aside = 0.15 * np.stack([-line[:, 1], line[:, 0]], axis=1) / np.maximum(np.hypot(*line.T), 1e-9)[:, None]
    hidden_points = [
        blocked(world, eye, np.insert(places + side * aside, 1, height, axis=1), THICKNESS)
        for side in (-1, 1)
        for height in (0.6, 1.4)
    ]
    return np.asarray(np.sum(hidden_points, axis=0) >= 3)


def free_places(world: World, rng: np.random.Generator, camera: Camera | None, count: int) -> NDArray[np.float64]:
    """Return up to ``count`` free places (N, 2): anywhere, or in front of a camera, where near ones are more likely."""
    x1, z1, x2, z2 = world.walkable
    if camera is None:
        places = rng.uniform((x1, z1), (x2, z2), (count, 2))
    else:
        distances = 1.5 * (20 / 1.5) ** rng.random(count)
        ahead = np.arctan2(camera.target[0] - camera.eye[0], camera.target[2] - camera.eye[2])
        turn = ahead + rng.uniform(-0.55, 0.55, count) * np.radians(camera.field_of_view)
        places = np.array([camera.eye[0], camera.eye[2]]) + distances[:, None] * _direction(turn).T
    inside = (places >= (x1, z1)).all(1) & (places <= (x2, z2)).all(1)
    return np.asarray(places[inside & ~in_obstacle(world, places, 0.25)])


def _direction(angle: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([np.sin(angle), np.cos(angle)])


def _seen_place(rng: np.random.Generator, camera: Camera) -> NDArray[np.float64]:
    """Draw a place in front of a camera; the distances give people from about 60 to 450 pixels of 640."""
    near, middle, far = rng.uniform(3.5, 7), rng.uniform(4, 13), rng.uniform(11, 23)
    distance = (near, middle, far)[rng.choice(3, p=[0.32, 0.45, 0.23])]
    ahead = np.arctan2(camera.target[0] - camera.eye[0], camera.target[2] - camera.eye[2])
    aside = rng.uniform(-0.5, 0.5) * np.radians(camera.field_of_view)
    return np.array([camera.eye[0], camera.eye[2]]) + distance * _direction(ahead + aside)
