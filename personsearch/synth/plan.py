"""Plans a data set before anything is drawn: scenes, cameras, who is where when."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.cameras import Camera
from personsearch.synth.plan_types import Appearance, Frame, Job
from personsearch.synth.recipe import Recipe, SplitConfig
from personsearch.synth.viewpoints import cameras_for
from personsearch.synth.walks import Passage, possible, propose, seen
from personsearch.synth.world import build_world
from personsearch.synth.world.types import World

#: Where the seeds of the splits' people and worlds begin; multiples of four, so that no look-alike group is split.
FIRST_SEED = {"train": 100_000_000, "test": 200_000_000}
UNLABELLED = 50_000_000  # added to a split's first seed: people who are seen once and have no label
SESSION_GAP = 5400.0  # seconds between the two sessions of a scene
TRIES = 300  # proposals for one identity before fewer boxes than wanted are accepted


@dataclass(frozen=True, eq=False, kw_only=True)
class _Session:
    """One scene in one light: its cameras' frames are taken at the same times."""

    world: World
    cameras: tuple[Camera, ...]
    scene: str
    light: int
    times: NDArray[np.float64]
    room: NDArray[np.int64]  # (cameras, times): how many more people a frame takes
    at: list[list[Passage]] = field(default_factory=list)


def plan(recipe: Recipe) -> tuple[Job, ...]:
    """Plan a data set.

    Identities, scenes and cameras of the splits are disjoint. Every passage is seen by all cameras of its scene at the
    same place and time.

    Returns:
        One job per camera; the same for the same recipe.
    """
    jobs: list[Job] = []
    for number, (name, split) in enumerate((("train", recipe.train), ("test", recipe.test))):
        rng = np.random.default_rng([recipe.seed, number, 92])
        base = FIRST_SEED[name] + recipe.seed * 1_000_000 * 4 % UNLABELLED // 4 * 4
        first_scene = 1 if name == "train" else 1 + recipe.train.scenes
        sessions: list[_Session] = []
        for index in range(split.scenes):
            sessions.extend(_sessions(recipe, split, first_scene + index, rng))
        _fill(recipe, split, sessions, base, rng)
        jobs.extend(_jobs(recipe, split, name, sessions))
    return tuple(jobs)


def _sessions(recipe: Recipe, split: SplitConfig, scene: int, rng: np.random.Generator) -> list[_Session]:
    kind = recipe.kinds[(scene - 1) % len(recipe.kinds)]
    seed = recipe.seed * 10_000 + scene
    world = build_world(kind, seed, lighting=recipe.randomise.lighting)
    cameras = cameras_for(world, recipe, f"s{scene}", seed)
    low, high = recipe.people.per_frame
    made = []
    for light, count in enumerate((split.frames - split.frames // 2, split.frames // 2)):
        times = light * SESSION_GAP + np.arange(count, dtype=np.float64) * recipe.cameras.interval
        room = rng.integers(low, high + 1, (len(cameras), count))
        session = _Session(
            world=world, cameras=cameras, scene=f"s{scene}", light=light, times=times, room=room,
            at=[[] for _ in range(count)],
        )  # fmt: skip
        made.append(session)
    return made


def _fill(recipe: Recipe, split: SplitConfig, sessions: list[_Session], base: int, rng: np.random.Generator) -> None:
    """Let labelled people walk until each has about the boxes it should have, then the others until frames are full."""
    total = sum(int(session.room.sum()) for session in sessions)
    wanted = _long_tail(recipe, split, total * (1 - recipe.people.unlabelled) * 0.9, rng)
    reserved = [rng.binomial(session.room, recipe.people.unlabelled) for session in sessions]
    for session, kept in zip(sessions, reserved, strict=True):
        session.room[...] -= kept
    num_scenes = len(sessions) // 2
    for label in np.argsort(-wanted, kind="stable"):
        several = min(num_scenes, 1 + int(rng.integers(0, 2)) + int(wanted[label] > 20) + int(wanted[label] > 50))
        scenes = rng.choice(num_scenes, several, replace=False)
        mine = [sessions[2 * scene + part] for scene in scenes for part in (0, 1)]
        changes = bool(rng.random() < recipe.people.clothes_change)
        left = int(wanted[label])
        for _ in range(TRIES):
            if left <= 0:
                break
            session = mine[rng.integers(len(mine))]
            outfit = int(changes and session.light == 1)
            left -= _walk(recipe, session, (base + int(label), int(label), outfit), 2 + int(rng.poisson(2)), left, rng)
    stranger = 0
    for session, kept in zip(sessions, reserved, strict=True):
        session.room[...] += kept
        for _ in range(40 * len(session.times)):
            if session.room.clip(0).sum() <= 0.05 * session.room.size:
                break
            who = (base + UNLABELLED + stranger, -1, 0)
            stranger += _walk(recipe, session, who, 2 + int(rng.poisson(1)), 10**6, rng) > 0


def _long_tail(recipe: Recipe, split: SplitConfig, total: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the wanted number of boxes of each identity: log-normal, scaled so that they sum to about ``total``."""
    low, high = recipe.people.appearances
    counts = np.exp(rng.normal(0, recipe.people.spread, split.identities))
    for _ in range(20):
        counts = np.clip(counts * total / counts.sum(), low, high)
    return np.asarray(np.round(counts), np.int64)


def _walk(
    recipe: Recipe, session: _Session, who: tuple[int, int, int], length: int, most: int, rng: np.random.Generator
) -> int:
    """Try one passage; return the number of boxes it gives, 0 where there is no room for it."""
    camera, first = _where_room_is(session, rng)
    if camera is None:
        return 0
    others = session.at[first]
    if any(other.seed == who[0] for other in others):
        return 0
    passage = propose(rng, session.world, camera, recipe.people, others, float(session.times[first]), who)
    boxes, frames = 0, []
    for index in range(first, min(first + length, len(session.times))):
        there, time = session.at[index], session.times[index : index + 1]
        if any(other.seed == who[0] for other in there) or not possible(session.world, passage, time, there)[0]:
            break
        visible = np.array([bool(seen(one, passage.at(time))[0]) for one in session.cameras])
        full = visible & (session.room[:, index] <= 0)
        if not visible.any() or full.sum() * 2 > visible.sum() or boxes + int(visible.sum()) > most + 2:
            break
        boxes += int(visible.sum())
        frames.append((index, visible))
    for index, visible in frames:
        session.at[index].append(passage)
        session.room[visible, index] -= 1
    return boxes


def _where_room_is(session: _Session, rng: np.random.Generator) -> tuple[Camera | None, int]:
    weights = session.room.clip(0).astype(float).ravel()
    if not weights.any():
        return None, 0
    chosen = int(rng.choice(len(weights), p=weights / weights.sum()))
    return session.cameras[chosen // len(session.times)], chosen % len(session.times)


def _jobs(recipe: Recipe, split: SplitConfig, name: str, sessions: list[_Session]) -> list[Job]:
    jobs = []
    for first, second in zip(sessions[::2], sessions[1::2], strict=True):
        for number, camera in enumerate(first.cameras):
            frames: list[Frame] = []
            for session in (first, second):
                for index, time in enumerate(session.times):
                    seed = int(np.random.default_rng([session.world.seed, number, len(frames), 93]).integers(2**31))
                    chance = np.random.default_rng([seed, 94]).random()
                    frames.append(
                        Frame(
                            name=f"{camera.name}_{len(frames):04d}",
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
                    camera=camera.name,
                    sensor_seed=first.world.seed * 100 + number,
                    frames=tuple(frames),
                )
            )
    return jobs


def _appearances(camera: Camera, passages: list[Passage], time: float) -> tuple[Appearance, ...]:
    """Return the people of the scene of whom something may be in the picture."""
    made = [passage.appearance(time) for passage in passages]
    feet = np.array([[one.position[0], 0.0, one.position[1]] for one in made]).reshape(-1, 3)
    low, depth = camera.project(feet)
    high, _ = camera.project(feet + (0, 2.0, 0))
    aside = 0.4 * np.abs(low[:, 1] - high[:, 1])
    left, right = np.minimum(low[:, 0], high[:, 0]) - aside, np.maximum(low[:, 0], high[:, 0]) + aside
    near = (right > 0) & (left < camera.width) & (low[:, 1] > 0) & (high[:, 1] < camera.height) & (depth > 1.2)
    return tuple(one for one, kept in zip(made, near, strict=True) if kept)
