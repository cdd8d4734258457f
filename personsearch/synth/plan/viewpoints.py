"""Where the cameras of a scene stand, and what blocks their view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.cameras import Camera
from personsearch.synth.recipe import Recipe
from personsearch.synth.world.types import World

Point = tuple[float, float, float]
#: Candidates that are tried for one camera.
TRIES = 60
#: Share of a camera's lines of sight that should be free.
FREE = 0.7
#: Obstacles that begin above this height, metres, only block the view.
HEAD_ROOM = 2.2


def cameras_for(world: World, recipe: Recipe, scene: str, seed: int) -> tuple[Camera, ...]:
    """Place the cameras of a scene.

    Each is the first of up to ``TRIES`` random candidates with a free view, or the one with the freest view.
    """
    return tuple(
        _camera(world, recipe, f"{scene}c{number}", np.random.default_rng([seed, number, 91]))
        for number in range(1, recipe.cameras.per_scene + 1)
    )


def photographs_for(world: World, recipe: Recipe, scene: str, seed: int, count: int) -> tuple[Camera, ...]:
    """Place a new hand-held camera for each of ``count`` photographs, as :func:`cameras_for` places fixed ones."""
    return tuple(
        _camera(world, recipe, f"{scene}c{number:04d}", np.random.default_rng([seed, number, 97]))
        for number in range(1, count + 1)
    )


def free_share(world: World, camera: Camera) -> float:
    """Return which share of the walkable places in view is not hidden, 0..1; 0 where something blocks the lens."""
    x1, z1, x2, z2 = world.walkable
    x, z = np.meshgrid(np.linspace(x1, x2, 15), np.linspace(z1, z2, 15))
    points = np.stack([x.ravel(), np.full(x.size, 1.2), z.ravel()], axis=1)
    pixels, depth = camera.project(points)
    inside = (pixels > 0).all(1) & (pixels < (camera.width, camera.height)).all(1) & (depth > 3) & (depth < 22)
    if inside.sum() < 8:
        return 0.0
    eye = np.array(camera.eye)
    near = blocked(
        world, eye, eye + (np.array(camera.target) - eye) / np.linalg.norm(np.array(camera.target) - eye) * 2.5
    )
    return 0.0 if near.any() else float(1 - blocked(world, eye, points[inside]).mean())


def blocked(
    world: World, eye: NDArray[np.float64], points: NDArray[np.float64], thickness: float = 1.0
) -> NDArray[np.bool_]:
    """Return, for (N, 3) points, whether an obstacle of the world lies between them and the eye.

    The radii of obstacles, which are generous, are multiplied by ``thickness``.
    """
    points = np.atleast_2d(points)
    if not len(world.obstacles):
        return np.zeros(len(points), bool)
    x, z, radius, bottom, top = world.obstacles.T.astype(float)
    line = points - eye
    flat = line[:, [0, 2]]
    to_middle = np.stack([x, z], axis=1) - eye[[0, 2]]
    along = np.clip(flat @ to_middle.T / np.maximum((flat**2).sum(1), 1e-9)[:, None], 0, 0.97)
    missed = np.hypot(*(along[..., None] * flat[:, None] - to_middle).transpose(2, 0, 1))
    height = eye[1] + along * line[:, 1:2]
    return np.asarray(((missed < thickness * radius) & (height > bottom) & (height < top)).any(1))


def in_obstacle(world: World, points: NDArray[np.float64], room: float) -> NDArray[np.bool_]:
    """Return, for (N, 2) points x, z, whether an obstacle is closer than ``room`` metres."""
    low = world.obstacles[world.obstacles[:, 3] < HEAD_ROOM]
    if not len(low):
        return np.zeros(len(points), bool)
    distance = np.hypot(*(points[:, None] - low[None, :, :2]).transpose(2, 0, 1))
    return np.asarray((distance < low[:, 2] + room).any(1))


def _camera(world: World, recipe: Recipe, name: str, rng: np.random.Generator) -> Camera:
    candidate = _hand_held if recipe.cameras.hand_held else _candidate
    best, share = candidate(world, recipe, name, rng), -1.0
    for _ in range(TRIES):
        camera = candidate(world, recipe, name, rng)
        eye = np.array(camera.eye)
        x, z, radius, bottom, top = world.obstacles.T
        here = np.hypot(x - eye[0], z - eye[2]) < radius + 0.6
        has_room = not (here & (bottom < eye[1] + 0.4) & (top > eye[1] - 0.4)).any()
        free = free_share(world, camera) if has_room else 0.0
        if free > share:
            best, share = camera, free
        if free >= FREE:
            break
    return best


def _candidate(world: World, recipe: Recipe, name: str, rng: np.random.Generator) -> Camera:
    low, high = recipe.cameras.heights
    middle = (low + high) / 2
    height = rng.uniform(low, middle) if rng.random() < 2 / 3 else rng.uniform(middle, high)
    if world.ceiling is not None:
        height = min(height, world.ceiling - 0.5)
    x1, z1, x2, z2 = world.bounds
    turn, distance = rng.uniform(0, 2 * np.pi), rng.uniform(8, 14)
    eye = np.clip(distance * np.cos(turn), x1, x2), height, np.clip(distance * np.sin(turn), z1, z2)
    target = rng.uniform(-3, 3), rng.uniform(0.4, 1.2) if height < 3.5 else rng.uniform(0, 0.7), rng.uniform(-3, 3)
    return _aimed(recipe, name, eye, target, rng)


def _hand_held(world: World, recipe: Recipe, name: str, rng: np.random.Generator) -> Camera:
    """Return a camera held by someone in the crowd, roughly level."""
    x1, z1, x2, z2 = world.walkable
    eye = rng.uniform(x1, x2), rng.uniform(*recipe.cameras.heights), rng.uniform(z1, z2)
    turn, rise = rng.uniform(0, 2 * np.pi), rng.normal(-0.06, 0.05)
    target = eye[0] + 8 * np.sin(turn), eye[1] + 8 * rise, eye[2] + 8 * np.cos(turn)
    return _aimed(recipe, name, eye, target, rng)


def _aimed(recipe: Recipe, name: str, eye: Point, target: Point, rng: np.random.Generator) -> Camera:
    return Camera(
        name=name,
        eye=(float(eye[0]), float(eye[1]), float(eye[2])),
        target=(float(target[0]), float(target[1]), float(target[2])),
        field_of_view=float(rng.uniform(*recipe.cameras.fields_of_view)),
        width=recipe.width,
        height=recipe.height,
        aspect=recipe.width / recipe.height,
    )
