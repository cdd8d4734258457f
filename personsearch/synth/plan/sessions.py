"""The sessions of a plan: which cameras take frames when, how many people fit into each frame, and who is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.cameras import Camera
from personsearch.synth.plan.targets import HeightTarget, counts_at
from personsearch.synth.plan.viewpoints import cameras_for, photographs_for
from personsearch.synth.plan.walks import Passage, box_heights, free_places, seen
from personsearch.synth.recipe import Recipe, SplitConfig
from personsearch.synth.world import build_world
from personsearch.synth.world.types import World

#: Seconds between the two sessions of a scene.
SESSION_GAP = 5400.0
#: Candidate places: of a whole scene, and in front of one camera.
SCENE_SPOTS, CAMERA_SPOTS = 3000, 250


@dataclass(frozen=True, eq=False, kw_only=True)
class Spots:
    """Places where people could be, and the box that each camera would see there.

    Attributes:
        places: (P, 2) x, z, metres.
        bins: (cameras, P): the target's bin of the box height; -1 = no box.
    """

    places: NDArray[np.float64]
    bins: NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Session:
    """One scene in one light.

    Attributes:
        world: the scene's world.
        scene: the scene's name.
        light: index into the world's lights.
        times: (T,) seconds.
        views: for each time, the cameras that take a frame: always the same ones, or one hand-held camera each.
        room: (cameras, T): how many more people fit into each frame; changes while people are placed.
        spots: for each time, the candidate places; empty where heights are not controlled.
        at: for each time, the passages of the people who are there.
    """

    world: World
    scene: str
    light: int
    times: NDArray[np.float64]
    views: tuple[tuple[Camera, ...], ...]
    room: NDArray[np.int64]
    spots: tuple[Spots, ...] = ()
    at: list[list[Passage]] = field(default_factory=list)


def sessions_of(
    recipe: Recipe, split: SplitConfig, scene: int, target: HeightTarget | None, rng: np.random.Generator
) -> list[Session]:
    """Return the two sessions of a scene, without people."""
    kind = recipe.kinds[(scene - 1) % len(recipe.kinds)]
    seed = recipe.seed * 10_000 + scene
    world = build_world(kind, seed, lighting=recipe.randomise.lighting)
    if recipe.cameras.hand_held:
        photographs = photographs_for(world, recipe, f"s{scene}", seed, split.frames)
        views: tuple[tuple[Camera, ...], ...] = tuple((camera,) for camera in photographs)
    else:
        views = (cameras_for(world, recipe, f"s{scene}", seed),) * split.frames
    spots = _spots(world, views, target, np.random.default_rng([seed, 98])) if target else ()
    sessions = []
    first = split.frames - split.frames // 2
    for light, part in enumerate((slice(0, first), slice(first, split.frames))):
        own = views[part]
        session = Session(
            world=world,
            scene=f"s{scene}",
            light=light,
            times=light * SESSION_GAP + np.arange(len(own), dtype=np.float64) * recipe.cameras.interval,
            views=own,
            room=people_wanted(recipe.people.per_frame, (len(own[0]), len(own)), rng),
            spots=spots[part],
            at=[[] for _ in own],
        )
        sessions.append(session)
    return sessions


def _spots(
    world: World, views: tuple[tuple[Camera, ...], ...], target: HeightTarget, rng: np.random.Generator
) -> tuple[Spots, ...]:
    """Return the candidate places for each time; computed once where the cameras stay the same."""
    known: dict[str, Spots] = {}
    for cameras in views:
        name = cameras[0].name
        if name not in known:
            fixed = len(cameras) > 1 or cameras[0].name == views[-1][0].name
            some = [free_places(world, rng, camera, CAMERA_SPOTS) for camera in cameras]
            places = np.concatenate([*some, free_places(world, rng, None, SCENE_SPOTS)] if fixed else some)
            heights = [box_heights(world, camera, places) for camera in cameras]
            known[name] = Spots(places=places, bins=np.stack([target.bins(tall) for tall in heights]))
    return tuple(known[cameras[0].name] for cameras in views)


def people_wanted(quantiles: Sequence[int], shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw numbers of people: uniform between two numbers; stratified and shuffled from more quantiles than two."""
    if len(quantiles) == 2:
        low, high = quantiles
        return rng.integers(low, high + 1, shape)
    size = shape[0] * shape[1]
    levels = (np.arange(size) + rng.random(size)) / size
    return rng.permutation(counts_at(quantiles, levels)).reshape(shape)


def height_bins(
    session: Session, index: int, place: NDArray[np.float64], target: HeightTarget | None
) -> NDArray[np.int64]:
    """Return, for each camera at one time, the height bin of the box of a person at ``place``; -1 = no box.

    Where heights are not controlled, the bin is 0 if most of the person is in the picture.
    """
    cameras = session.views[index]
    if target is None:
        return np.array([int(seen(camera, place[None])[0]) - 1 for camera in cameras])
    return np.array([int(target.bins(box_heights(session.world, camera, place[None]))[0]) for camera in cameras])


def fitting_place(
    session: Session, index: int, camera: int, most: int, target: HeightTarget, rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """Return a place where a camera sees a box of a wanted height and no other frame overflows.

    Args:
        session: the session.
        index: index of the time.
        camera: index of a camera with room.
        most: greatest number of boxes that may be added.
        target: the wanted heights.
        rng: random generator.

    Returns:
        (2,) x, z in metres, or None where there is no such place.
    """
    spots = session.spots[index]
    boxed = spots.bins >= 0
    fits = boxed[camera] & ~boxed[session.room[:, index] <= 0].any(0) & (boxed.sum(0) <= most)
    for wanted in target.wanted(rng):
        chosen = np.flatnonzero(fits & (spots.bins[camera] == wanted))
        for spot in rng.permutation(chosen)[:4]:
            if target.admits(spots.bins[boxed[:, spot], spot]):
                return np.asarray(spots.places[spot])
    return None
