"""The records that every data set is read into."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import DatasetError


@dataclass(frozen=True, eq=False, kw_only=True)
class Scene:
    """One annotated image.

    Attributes:
        image_id: name of the scene, unique in its set; usually the path below the set's folder.
        path: the image file.
        width: pixels.
        height: pixels.
        camera: the camera that took it, if known.
        time: seconds on the set's clock, if known.
        place: the site that several cameras watch, if known; training holds out whole places. In PRW, which has one
            site, ten minutes of it.
        boxes: (N, 4) float32 xyxy, pixels of the image.
        identities: (N,) int64, -1 = a person without a label.
        ignore: (N,) bool; an ignored box is neither a person to be found nor a false detection.
        repeated: (row, identity) of each box that lost its label because an earlier box of the scene has the same. Only
            protocols that delete such boxes look at it.
    """

    image_id: str
    path: Path
    width: int
    height: int
    camera: str | None
    time: float | None
    place: str | None
    boxes: NDArray[np.float32]
    identities: NDArray[np.int64]
    ignore: NDArray[np.bool_]
    repeated: tuple[tuple[int, int], ...] = ()


def check_size(scene: Scene, width: int, height: int) -> None:
    """Refuse a picture of another size than the annotated one, before any of its boxes is used.

    Args:
        scene: as annotated.
        width: of its upright picture, pixels.
        height: of its upright picture, pixels.

    Raises:
        DatasetError: names the picture and both sizes.
    """
    if (width, height) != (scene.width, scene.height):
        raise DatasetError(
            f"{scene.path}: the picture is {width}x{height}, the annotations say {scene.width}x{scene.height}; their "
            "boxes belong to another version of it"
        )


def require_images(scenes: Sequence[Scene]) -> None:
    """Refuse a set with missing images before hours are spent on it.

    Raises:
        DatasetError: names the first missing image, and says how many there are.
    """
    missing = [scene.path for scene in scenes if not os.path.isfile(scene.path)]
    if missing:
        raise DatasetError(
            f"{missing[0]}: no such image; {len(missing)} of {len(scenes)} are missing. "
            "Say where the images are, or take them out of the annotations"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class GalleryList:
    """The images in which a query is searched for, where the set's authors list them (CUHK-SYSU).

    Attributes:
        image_ids: N names of scenes, in the order of the list. A name may occur twice: the official lists have such
            rows, and protocols treat them differently.
        boxes: (N, 4) float32 xyxy, the person in that image; NaN where the person is not in it.
    """

    image_ids: tuple[str, ...]
    boxes: NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Query:
    """A person to search for.

    Attributes:
        image_id: the scene with the query's box.
        box: (4,) float32 xyxy.
        identity: of the person.
        gallery: the images to search; None = all scenes of the set.
    """

    image_id: str
    box: NDArray[np.float32]
    identity: int
    gallery: GalleryList | None = None
