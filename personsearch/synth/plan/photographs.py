"""Plan frames of photographed places: which photograph, by which camera, who stands where, and what stands before them.

Every frame is a photograph of its own: nothing ties it to the one before, so each counts as its own camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.cameras import Camera, camera_towards
from personsearch.synth.plan.sessions import people_wanted
from personsearch.synth.plan.standing import Ground, stand
from personsearch.synth.plan.types import PHOTO, Backdrop, Frame, Job
from personsearch.synth.plates.library import Plate
from personsearch.synth.recipe import Recipe, SplitConfig

#: Frames that a worker draws in one go.
FRAMES_PER_JOB = 24
#: Panoramas: height of the camera, metres, where the manifest does not say; range of its pitch in degrees (down < 0);
#: and of its horizontal field of view in degrees.
PANORAMA_HEIGHT, PITCH, PANORAMA_VIEW = 1.6, (-25.0, 5.0), (45.0, 80.0)
#: Photographs: a plausible camera. Median and spread of the logarithm of its height, metres; where the horizon is, as a
#: share of the picture's height; the field of view of a landscape picture, degrees.
PHOTO_HEIGHT, PHOTO_SPREAD, HORIZON, PHOTO_VIEW = 1.5, 0.25, (0.32, 0.6), (48.0, 72.0)
#: How often a frame shows as much of a photograph as fits.
WHOLE = 0.35
#: How far away people may stand, metres.
INDOORS, OUTDOORS, UNKNOWN = (1.0, 7.0), (1.2, 40.0), (1.0, 16.0)
#: Places indoors that are deep.
_DEEP = ("corridor", "hall", "lobby", "garage", "station", "bridge", "passage", "warehouse", "hangar")
_KEY = 95


@dataclass(frozen=True, eq=False)
class _Deck:
    """Deals the labelled people: each as often as wanted, nobody twice in a frame as far as possible."""

    cards: NDArray[np.int64]

    def deal(self, start: int, count: int) -> list[int]:
        """Return ``count`` different labels from position ``start`` on, fewer where the deck has no more."""
        picked = self.cards[np.arange(start, start + 2 * count) % len(self.cards)]
        return list(dict.fromkeys(picked.tolist()))[:count]


@dataclass(frozen=True)
class Kind:
    """Photographs of one kind of place, and the share of frames that show one of them."""

    plates: tuple[Plate, ...]
    share: float


def photograph_jobs(
    recipe: Recipe,
    split: SplitConfig,
    name: str,
    scenes: Sequence[int],
    plates: Sequence[Plate],
    weights: NDArray[np.int64],
    first_seeds: tuple[int, int],
    rng: np.random.Generator,
) -> list[Job]:
    """Plan the photographed scenes of a split.

    Args:
        recipe: of the set.
        split: train or test, as in the recipe.
        name: of the split.
        scenes: numbers of the photographed scenes; each has a share of the photographs to itself if there are enough.
        plates: the split's photographs.
        weights: (identities,) how often each labelled person is wanted, relative to the others.
        first_seeds: seeds of the first labelled person and of the first one without a label.
        rng: decides.
    """
    per_scene = recipe.cameras.per_scene * split.frames
    total = per_scene * len(scenes)
    wanted = people_wanted(recipe.places.per_frame, (1, total), rng)[0]
    wanted[rng.random(total) < recipe.places.empty] = 0
    labelled = rng.binomial(wanted, 1 - recipe.people.unlabelled)
    deck = _deck(weights, int(labelled.sum()), rng)
    changed = rng.random(len(weights)) < recipe.people.clothes_change
    jobs: list[Job] = []
    dealt = strangers = 0
    for index, scene in enumerate(scenes):
        own = by_kind(_share_of(plates, index, len(scenes)))
        frames: list[Frame] = []
        for number in range(per_scene):
            at = index * per_scene + number
            labels = deck.deal(dealt, int(labelled[at])) if labelled[at] else []
            dealt += int(labelled[at])
            unknown = range(strangers, strangers + int(wanted[at] - labelled[at]))
            strangers += len(unknown)
            # Half of a person's photographs show the other clothes, where people change them.
            who = [(first_seeds[0] + one, one, int(changed[one] and at % 2)) for one in labels]
            who += [(first_seeds[1] + one, -1, 0) for one in unknown]
            frames.append(_frame(recipe, f"s{scene}", number, own, who))
        jobs.extend(_jobs(name, scene, recipe.seed, frames))
    return jobs


def _deck(weights: NDArray[np.int64], total: int, rng: np.random.Generator) -> _Deck:
    """Shuffle round by round, so that two photographs of a person are far apart."""
    share = weights / weights.sum() * total
    rounds = [
        rng.permutation(np.flatnonzero(share > turn)) for turn in range(int(np.ceil(share.max())) if total else 1)
    ]
    return _Deck(np.concatenate(rounds))


def _share_of(plates: Sequence[Plate], index: int, count: int) -> list[Plate]:
    """Return the photographs of one of several scenes: every count-th of each kind, or all where there are few."""
    if len(plates) < 4 * count:
        return list(plates)
    ordered = sorted(plates, key=lambda plate: (plate.kind, plate.file))
    return ordered[index::count]


def _jobs(split: str, scene: int, seed: int, frames: list[Frame]) -> list[Job]:
    return [
        Job(
            split=split,
            scene=f"s{scene}",
            kind=PHOTO,
            world_seed=seed * 10_000 + scene,
            camera=f"s{scene}p{start // FRAMES_PER_JOB + 1}",
            sensor_seed=(seed * 10_000 + scene) * 100,
            frames=tuple(frames[start : start + FRAMES_PER_JOB]),
        )
        for start in range(0, len(frames), FRAMES_PER_JOB)
    ]


def _frame(recipe: Recipe, scene: str, number: int, plates: Sequence[Kind], who: list[tuple[int, int, int]]) -> Frame:
    world_seed = recipe.seed * 10_000 + int(scene[1:])
    rng = np.random.default_rng([world_seed, number, _KEY])
    camera_name = f"{scene}c{number + 1:04d}"
    if rng.random() < recipe.places.plain:
        plate, backdrop = None, Backdrop(photo="", light="plain", mirrored=False)
        camera = _plain_camera(recipe, camera_name, rng)
    else:
        plate = _choice(plates, rng)
        backdrop = Backdrop(
            photo=plate.file,
            panorama=plate.panorama,
            mirrored=bool(rng.random() < 0.5) and recipe.places.mirror,
            light=plate.light,
            outdoors=bool(plate.outdoors),
        )
        camera = camera_for(plate, recipe, camera_name, rng)
    ground = Ground(*_depth(plate), indoors=None if plate is None or plate.outdoors is None else not plate.outdoors)
    appearances, things = stand(recipe, camera, ground, who, rng)
    return Frame(
        name=f"{scene}c{number:04d}",
        camera=camera,
        time=float(number),
        light=0,
        seed=int(np.random.default_rng([world_seed, number, _KEY, 1]).integers(2**31)),
        appearances=tuple(appearances),
        backdrop=replace(backdrop, things=tuple(things)),
    )


def by_kind(plates: Sequence[Plate]) -> list[Kind]:
    """Group photographs by their kind of place; a kind is as frequent as the root of its number of photographs.

    So a hundred kitchens do not drown the only street.
    """
    kinds: dict[str, list[Plate]] = {}
    for plate in sorted(plates, key=lambda plate: (plate.kind, plate.file)):
        kinds.setdefault(plate.kind, []).append(plate)
    total = sum(len(own) ** 0.5 for own in kinds.values())
    return [Kind(tuple(own), len(own) ** 0.5 / total) for own in kinds.values()]


def _choice(kinds: Sequence[Kind], rng: np.random.Generator) -> Plate:
    """Draw a kind of place, then a photograph of it."""
    kind = kinds[int(rng.choice(len(kinds), p=[kind.share for kind in kinds]))]
    return kind.plates[int(rng.integers(len(kind.plates)))]


def _depth(plate: Plate | None) -> tuple[float, float]:
    if plate is None or plate.outdoors is None:
        return UNKNOWN
    if plate.outdoors:
        return OUTDOORS
    return UNKNOWN if any(word in plate.kind.lower() for word in _DEEP) else INDOORS


def camera_for(plate: Plate, recipe: Recipe, name: str, rng: np.random.Generator) -> Camera:
    """Return a camera that sees a part of a plate: for a panorama by its geometry, else as known or as plausible.

    Args:
        plate: the photograph.
        recipe: gives the picture's size.
        name: of the camera.
        rng: decides on what is not known.
    """
    size = recipe.width, recipe.height
    if plate.panorama:
        return camera_towards(
            name,
            height=plate.camera_height or PANORAMA_HEIGHT,
            turn=rng.uniform(0, 2 * np.pi),
            pitch=rng.uniform(*PITCH),
            field_of_view=rng.uniform(*PANORAMA_VIEW),
            size=size,
        )
    # Between them, height and horizon say how tall people are; the field of view hardly matters.
    field_of_view = plate.field_of_view or float(rng.uniform(*PHOTO_VIEW))
    if plate.height > plate.width and plate.field_of_view is None:
        field_of_view *= 0.7
    aspect, shape = recipe.width / recipe.height, plate.width / plate.height
    horizon = plate.horizon if plate.horizon is not None else float(rng.uniform(*HORIZON))
    height = plate.camera_height or float(PHOTO_HEIGHT * np.exp(rng.normal(0, PHOTO_SPREAD)))
    half = np.tan(np.radians(field_of_view) / 2) / shape
    pitch = -np.degrees(np.arctan((0.5 - horizon) * 2 * half))
    widest = min(1.0, aspect / shape)
    least = np.log(recipe.places.least_window)
    wide = widest if rng.random() < WHOLE else widest * float(np.exp(rng.uniform(least, 0)))
    high = wide * shape / aspect
    left, top = rng.uniform(0, 1 - wide), rng.uniform(0, 1 - min(high, 1.0))
    window = (float(left), float(top), float(left + wide), float(min(top + high, 1.0)))
    return camera_towards(
        name,
        height=height,
        turn=0.0,
        pitch=float(pitch),
        field_of_view=field_of_view,
        size=size,
        aspect=shape,
        window=window,
    )


def _plain_camera(recipe: Recipe, name: str, rng: np.random.Generator) -> Camera:
    return camera_towards(
        name,
        height=float(PHOTO_HEIGHT * np.exp(rng.normal(0, PHOTO_SPREAD))),
        turn=0.0,
        pitch=rng.uniform(-20, 2),
        field_of_view=rng.uniform(*PHOTO_VIEW),
        size=(recipe.width, recipe.height),
    )
