"""Plan a data set before anything is drawn: scenes, cameras, who is where and when."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.cameras import Camera
from personsearch.synth.plan.photographs import photograph_jobs
from personsearch.synth.plan.sessions import Session, fitting_place, height_bins, people_wanted, sessions_of
from personsearch.synth.plan.targets import HeightTarget, counts_at
from personsearch.synth.plan.types import Appearance, Frame, Job
from personsearch.synth.plan.walks import Passage, hides, possible, propose
from personsearch.synth.plates.library import find_plates, split_plates
from personsearch.synth.recipe import Recipe, SplitConfig

#: First seed of each split's people: multiples of four, so that no group of look-alikes is divided.
FIRST_SEED = {"train": 100_000_000, "test": 200_000_000}
#: Added to a split's first seed for people without a label, each of whom is seen in one passage only.
UNLABELLED = 50_000_000
#: Added likewise for people without a label in photographed places.
STRANGERS = 75_000_000
#: Passages proposed for one identity before fewer boxes than wanted are accepted.
TRIES = 300
#: Where heights are controlled: proposals that may fail in a row.
FAILURES = 60
#: Someone in hand-held photographs is put into the roomiest of this many random scenes.
SCENES_COMPARED = 8


def plan(recipe: Recipe) -> tuple[Job, ...]:
    """Plan a data set.

    The splits share no identity, scene or camera. All cameras of a scene see a person at the same place at the same
    time.

    Args:
        recipe: what to plan; the same recipe gives the same plan.

    Returns:
        One job per camera, or per scene for hand-held photographs.

    Raises:
        DatasetError: the folder of photographs holds none that can be used; see :func:`find_plates`.
    """
    jobs: list[Job] = []
    found = find_plates(recipe.places.photos) if recipe.photographed and recipe.places.photos else ()
    plates = split_plates(found, recipe.places.held_out)
    for number, (name, split) in enumerate((("train", recipe.train), ("test", recipe.test))):
        rng = np.random.default_rng([recipe.seed, number, 92])
        base = FIRST_SEED[name] + recipe.seed * 1_000_000 * 4 % UNLABELLED // 4 * 4
        first_scene = 1 if name == "train" else 1 + recipe.train.scenes
        target = HeightTarget(recipe.people.heights) if recipe.people.heights else None
        photographed = _photographed(recipe, split)
        sessions: list[Session] = []
        for index in range(split.scenes):
            if index not in photographed:
                sessions.extend(sessions_of(recipe, split, first_scene + index, target, rng))
        if sessions:
            _fill(recipe, split, sessions, base, target, rng)
            jobs.extend(_jobs(recipe, split, name, sessions))
        if photographed:
            scenes = [first_scene + index for index in photographed]
            weights = _long_tail(recipe, split, split.identities * 10.0, rng)
            jobs.extend(
                photograph_jobs(recipe, split, name, scenes, plates[name], weights, (base, base + STRANGERS), rng)
            )
    return tuple(jobs)


def _photographed(recipe: Recipe, split: SplitConfig) -> list[int]:
    """Return which of a split's scenes are photographed, spread evenly; at least one where any are wanted."""
    share = recipe.photographed
    count = min(split.scenes, max(round(share * split.scenes), int(share > 0)))
    return [
        index for index in range(split.scenes) if (index + 1) * count // split.scenes > index * count // split.scenes
    ]


def _fill(
    recipe: Recipe,
    split: SplitConfig,
    sessions: list[Session],
    base: int,
    target: HeightTarget | None,
    rng: np.random.Generator,
) -> None:
    """Let labelled people walk until each has about as many boxes as wanted, then the others until frames are full."""
    total = sum(int(session.room.sum()) for session in sessions)
    wanted = _long_tail(recipe, split, total * (1 - recipe.people.unlabelled) * 0.9, rng)
    reserved = [_reserved(recipe, session.room, rng) for session in sessions]
    for session, kept in zip(sessions, reserved, strict=True):
        session.room[...] -= kept
    for label in np.argsort(-wanted, kind="stable"):
        mine = _own_sessions(recipe, sessions, int(wanted[label]), rng)
        changes = bool(rng.random() < recipe.people.clothes_change)
        left, failed = int(wanted[label]), 0
        for _ in range(10 * TRIES if target else TRIES):
            if left <= 0 or (target and failed > FAILURES):
                break
            session = mine[rng.integers(len(mine))]
            outfit = int(changes and session.light == 1)
            length = 1 if recipe.cameras.hand_held else 2 + int(rng.poisson(recipe.people.passage))
            boxes = _walk(recipe, session, (base + int(label), int(label), outfit), length, left, target, rng)
            left, failed = left - boxes, 0 if boxes else failed + 1
    if not recipe.people.unlabelled and len(recipe.people.appearances) == 2:
        return
    stranger = 0
    for session, kept in zip(sessions, reserved, strict=True):
        session.room[...] += kept
        for _ in range(40 * len(session.times)):
            if session.room.clip(0).sum() <= (0 if target else 0.05) * session.room.size:
                break
            who = (base + UNLABELLED + stranger, -1, 0)
            length = 1 if recipe.cameras.hand_held else 2 + int(rng.poisson(recipe.people.passage / 2))
            stranger += _walk(recipe, session, who, length, 10**6, target, rng) > 0


def _long_tail(recipe: Recipe, split: SplitConfig, total: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the wanted boxes of each identity: from quantiles, or log-normal with a sum of about ``total``."""
    if len(recipe.people.appearances) > 2:
        levels = (np.arange(split.identities) + 0.5) / split.identities
        return rng.permutation(counts_at(recipe.people.appearances, levels))
    low, high = recipe.people.appearances
    wanted = np.exp(rng.normal(0, recipe.people.spread, split.identities))
    for _ in range(20):
        wanted = np.clip(wanted * total / wanted.sum(), low, high)
    return np.asarray(np.round(wanted), np.int64)


def _reserved(recipe: Recipe, room: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how many places of each frame are reserved for people without a label."""
    people = recipe.people
    if people.labelled:
        return (room - people_wanted(people.labelled, (room.shape[0], room.shape[1]), rng)).clip(0)
    if len(people.appearances) > 2:
        return np.zeros_like(room)
    return np.asarray(rng.binomial(room, people.unlabelled))


def _own_sessions(recipe: Recipe, sessions: list[Session], wanted: int, rng: np.random.Generator) -> list[Session]:
    """Return the sessions of the scenes in which an identity is seen; those seen often walk in more scenes."""
    num_scenes = len(sessions) // 2
    if recipe.cameras.hand_held:
        candidates = rng.choice(num_scenes, min(num_scenes, SCENES_COMPARED), replace=False)
        room = [sum(sessions[2 * scene + part].room.clip(0).sum() for part in (0, 1)) for scene in candidates]
        scenes = candidates[[int(np.argmax(room))]]
    else:
        count = min(num_scenes, 1 + int(rng.integers(0, 2)) + int(wanted > 20) + int(wanted > 50))
        scenes = rng.choice(num_scenes, count, replace=False)
    return [sessions[2 * scene + part] for scene in scenes for part in (0, 1)]


def _walk(
    recipe: Recipe,
    session: Session,
    who: tuple[int, int, int],
    length: int,
    most: int,
    target: HeightTarget | None,
    rng: np.random.Generator,
) -> int:
    """Try one passage and return the number of boxes it adds; 0 where there is no room for it."""
    camera, first = _random_vacancy(session, rng)
    if camera is None:
        return 0
    others = session.at[first]
    if any(other.seed == who[0] for other in others):
        return 0
    place = fitting_place(session, first, camera, most, target, rng) if target else None
    if target and place is None:
        return 0
    view, time = session.views[first][camera], float(session.times[first])
    passage = propose(rng, session.world, view, recipe.people, others, time, who, place)
    frames: list[tuple[int, NDArray[np.bool_]]] = []
    boxes, spare = 0, 0 if target else 2
    for index in range(first, min(first + length, len(session.times))):
        there, now = session.at[index], session.times[index : index + 1]
        if any(other.seed == who[0] for other in there) or not possible(session.world, passage, now, there)[0]:
            break
        bins = height_bins(session, index, passage.at(now)[0], target)
        visible = bins >= 0
        full = visible & (session.room[:, index] <= 0)
        crowded = full.any() if target else full.sum() * 2 > visible.sum()
        if not visible.any() or crowded or boxes + int(visible.sum()) > most + spare:
            break
        if target:
            places = np.array([one.at(now)[0] for one in [*there, passage]])
            cameras = (view for view, sees in zip(session.views[index], visible, strict=True) if sees)
            if not target.admits(bins[visible]) or any(hides(view, places) for view in cameras):
                break
            target.add(bins[visible])
        boxes += int(visible.sum())
        frames.append((index, visible))
    for index, visible in frames:
        session.at[index].append(passage)
        session.room[visible, index] -= 1
    return boxes


def _random_vacancy(session: Session, rng: np.random.Generator) -> tuple[int | None, int]:
    """Draw a camera and a time that have room, as indices; the camera is None where everything is full."""
    weights = session.room.clip(0).astype(float).ravel()
    if not weights.any():
        return None, 0
    camera, index = divmod(int(rng.choice(len(weights), p=weights / weights.sum())), len(session.times))
    return camera, index


def _jobs(recipe: Recipe, split: SplitConfig, name: str, sessions: list[Session]) -> list[Job]:
    jobs = []
    for first, second in zip(sessions[::2], sessions[1::2], strict=True):
        for number, fixed in enumerate(first.views[0]):
            camera_name = f"{first.scene}c0" if recipe.cameras.hand_held else fixed.name
            frames: list[Frame] = []
            for session in (first, second):
                for index, time in enumerate(session.times):
                    seed = int(np.random.default_rng([session.world.seed, number, len(frames), 93]).integers(2**31))
                    chance = np.random.default_rng([seed, 94]).random()
                    camera = session.views[index][number]
                    frames.append(
                        Frame(
                            name=f"{camera_name}_{len(frames):04d}",
                            camera=camera,
                            time=float(time),
                            light=session.light,
                            seed=seed,
                            random_background=bool(chance < split.random_backgrounds),
                            appearances=_appearances(camera, session.at[index], float(time)),
                        )
                    )
            jobs.append(
                Job(
                    split=name,
                    scene=first.scene,
                    kind=first.world.kind,
                    world_seed=first.world.seed,
                    camera=camera_name,
                    sensor_seed=first.world.seed * 100 + number,
                    frames=tuple(frames),
                )
            )
    return jobs


def _appearances(camera: Camera, passages: list[Passage], time: float) -> tuple[Appearance, ...]:
    """Return the people of whom something may be in the picture."""
    appearances = [passage.appearance(time) for passage in passages]
    feet = np.array([[one.position[0], 0.0, one.position[1]] for one in appearances]).reshape(-1, 3)
    low, depth = camera.project(feet)
    high, _ = camera.project(feet + (0, 2.0, 0))
    aside = 0.4 * np.abs(low[:, 1] - high[:, 1])
    left, right = np.minimum(low[:, 0], high[:, 0]) - aside, np.maximum(low[:, 0], high[:, 0]) + aside
    near = (right > 0) & (left < camera.width) & (low[:, 1] > 0) & (high[:, 1] < camera.height) & (depth > 1.2)
    return tuple(one for one, kept in zip(appearances, near, strict=True) if kept)
