"""The two sets that are rendered over the user's pictures: one to train on, one of held-back pictures to measure on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from personsearch.train.adaptation.budget import CHECKED, REHEARSED

if TYPE_CHECKING:
    from personsearch.synth import Recipe

#: Pixels of a rendered picture at most, as in the sets that the weights in the package learnt from; and at least.
AREA, LEAST_AREA = 960 * 640, 320 * 240
#: Share of photographed scenes: the rest is drawn, so that nothing that was learnt elsewhere is forgotten.
SHARE = 0.8
#: People per picture, as quantiles: mostly few, as at one camera.
PEOPLE = (1, 1, 1, 2, 3, 5)
#: People from far to so near that they do not fit into the picture; and pictures without anybody.
HEIGHTS, EMPTY = (0.06, 1.25), 0.12
#: A camera that does not move shows nearly always all of its picture.
LEAST_WINDOW = 0.8
#: Pictures of each labelled person, about.
_SEEN = 6


def frame_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of the rendered pictures: the camera's shape, no larger than its own pictures."""
    width, height = size
    area = min(AREA, max(LEAST_AREA, width * height))
    scale = (area / (width * height)) ** 0.5
    return _side(width * scale, 3840), _side(height * scale, 2160)


def _side(length: float, most: int) -> int:
    """Round to a multiple of four within what a recipe allows."""
    return min(most, max(160, round(length / 4) * 4))


def training_recipe(photos: Path, size: tuple[int, int], frames: int, *, seed: int) -> Recipe:
    """Return the recipe of the set to train on.

    Args:
        photos: folder of the copied pictures with their manifest.
        size: of the rendered pictures.
        frames: how many; rounded down to whole scenes.
        seed: of everything random.
    """
    scenes = 10 if frames >= 200 else 5 if frames >= 40 else 1
    split = {"scenes": scenes, "frames": max(2, frames // scenes), "identities": max(8, frames * 2 // _SEEN)}
    return _recipe(photos, size, seed, SHARE, train=split, test={"scenes": 1, "frames": 2, "identities": 1})


def checking_recipe(photos: Path, size: tuple[int, int], *, seed: int) -> Recipe:
    """Return the recipe of the set to measure on; its training half is what training is rehearsed on."""
    test = {"scenes": 1, "frames": CHECKED, "identities": max(4, CHECKED // 2)}
    train = {"scenes": 1, "frames": REHEARSED, "identities": max(4, REHEARSED // 3)}
    return _recipe(photos, size, seed + 1, 1.0, train=train, test=test)


def render(recipe: Recipe, folder: Path, *, workers: int, progress: bool | None) -> None:
    """Render a set, or continue one that was interrupted; see :func:`personsearch.synth.make`.

    Args:
        recipe: what to render.
        folder: of the set.
        workers: rendering processes.
        progress: None = a bar on a terminal.
    """
    from personsearch.synth import make

    make(recipe, folder, workers=workers, progress=progress)


def _recipe(
    photos: Path, size: tuple[int, int], seed: int, share: float, *, train: dict[str, int], test: dict[str, int]
) -> Recipe:
    from personsearch.synth import Recipe

    return Recipe.model_validate(
        {
            "seed": seed,
            "width": size[0],
            "height": size[1],
            "people": {"appearances": (2, 16), "spread": 0.3, "unlabelled": 0.1},
            "cameras": {"per_scene": 1},
            "places": {
                "photos": str(photos),
                "share": share,
                "held_out": 0.0,
                "empty": EMPTY,
                "plain": 0.0,
                "per_frame": PEOPLE,
                "heights": HEIGHTS,
                "least_window": LEAST_WINDOW,
                "mirror": False,
            },
            "train": train,
            "test": test,
        }
    )
