"""What every format needs of one image: its size, and the boxes and identities of its rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.formats.ledger import FRACTIONS, Ledger, ProblemError
from personsearch.errors import ImageError


class People(NamedTuple):
    """What a :class:`~personsearch.datasets.scene.Scene` says of its people, by the same names."""

    boxes: NDArray[np.float32]
    identities: NDArray[np.int64]
    ignore: NDArray[np.bool_]
    repeated: tuple[tuple[int, int], ...]


def people_of(
    ledger: Ledger,
    file: str | Path,
    row_name: Callable[[int], str],
    xywh: NDArray[np.float64],
    identities: NDArray[np.int64],
    ignore: NDArray[np.bool_],
    size: tuple[int, int],
) -> People:
    """Turn the rows of one image into the arrays of a scene; whatever cannot be used is noted in the ledger.

    Args:
        ledger: has already counted the rows.
        file: where the rows are from.
        row_name: number of a row here -> its name in the file.
        xywh: (N, 4) left, top, width, height in pixels, as in the file.
        identities: (N,) -1 = without a label.
        ignore: (N,) boxes that count neither way; they lose their label.
        size: width and height of the image.

    Returns:
        Boxes (M, 4) float32 xyxy, computed in float64 and then clipped to the image; identities (M,); ignore (M,). If
        an identity occurs twice, the first box keeps it and the others stay as people without a label: ``repeated``
        has their rows, and the identity that they lost.
    """
    limits = np.array([*size, *size], dtype=np.float64)
    finite = np.isfinite(xywh).all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        clipped = corners.clip(0, limits)
        kept = clipped.astype(np.float32)  # in which a sliver may have no area left
        usable = finite & (kept[:, 2:] > kept[:, :2]).all(axis=1) & ~_fractions(xywh, size)
    for row in np.flatnonzero(~usable).tolist():
        ledger.bad_row(file, row_name(row), _complaint(xywh[row], size))
    ledger.change("clipped to the image", int((clipped != corners).any(axis=1)[usable].sum()))
    boxes, ignore = kept[usable], ignore[usable]
    ledger.change("ignored, kept without its label", int((ignore & (identities[usable] >= 0)).sum()))
    identities = np.where(ignore, -1, identities[usable]).astype(np.int64)
    labelled = np.flatnonzero(identities >= 0)
    first = np.unique(identities[labelled], return_index=True)[1]
    again = np.delete(labelled, first)
    repeated = tuple(zip(again.tolist(), identities[again].tolist(), strict=True))
    identities[again] = -1
    ledger.change("identity repeated in one image, kept without a label", len(again))
    return People(boxes, identities, ignore, repeated)


def _fractions(xywh: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (N,) whether a box is written as fractions of the image: as pixels it would be one pixel in its corner."""
    with np.errstate(invalid="ignore"):
        small = (xywh >= 0).all(axis=1) & (xywh <= 1).all(axis=1) & (xywh[:, 2:] > 0).all(axis=1)
    return np.asarray(small & (max(size) > 1))


def _complaint(xywh: NDArray[np.float64], size: tuple[int, int]) -> str:
    box = [float(value) for value in xywh]
    if not np.isfinite(xywh).all():
        return f"bbox must be four finite numbers [x, y, width, height], got {box}"
    if _fractions(xywh[None], size)[0]:
        return f"bbox {box} {FRACTIONS}; give pixels: multiply x and width by {size[0]}, y and height by {size[1]}"
    return f"bbox {box} has no area inside the {size[0]}x{size[1]} image"


def corners_in(xywh: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a box (4,) float32 xyxy clipped to the image of ``size`` (width, height).

    Raises:
        ValueError: the box is not finite, has no area there or looks like fractions; the message is that of
            :func:`people_of`.
    """
    box = np.asarray(xywh, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        corners = np.concatenate([box[:2], box[:2] + box[2:]]).clip(0, [*size, *size]).astype(np.float32)
    if not (np.isfinite(box).all() and (corners[2:] > corners[:2]).all()) or _fractions(box[None], size)[0]:
        raise ValueError(_complaint(box, size))
    return corners


def scene_size(path: Path, *, boxes_as_stored: bool = False) -> tuple[int, int]:
    """Return width and height of the upright image from its header alone.

    Args:
        path: of the image.
        boxes_as_stored: its boxes are of the pixels as stored, whatever EXIF says: so official annotations are read by
            every other code. As pictures are always turned upright here, one that would be is refused.

    Raises:
        ProblemError: there is no such image, its header cannot be read, or EXIF turns it away from its boxes.
    """
    from personsearch.pictures.decode import image_header  # loads Pillow, which reading annotations can do without

    try:
        header = image_header(path)
    except ImageError as error:
        raise ProblemError(path, str(error).removeprefix(f"{path}: ")) from None
    if boxes_as_stored and header.orientation != 1:
        raise ProblemError(
            path,
            f"EXIF turns this picture (orientation {header.orientation}), but its boxes are of the pixels as stored; "
            "take the tag out, which changes no pixel: exiftool -Orientation= FILE",
        )
    return header.size
