"""Boxes as annotation tools export them: with labels, which are people, others, or regions that count neither way."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from personsearch.datasets.dataset import UNUSABLE
from personsearch.datasets.formats.categories import number_of, people_categories, plain
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.people import people_of
from personsearch.datasets.formats.texts import is_file
from personsearch.datasets.formats.values import is_number, short
from personsearch.datasets.scene import Scene

#: Labels of boxes that count neither way.
IGNORED = frozenset({"ignore", "ignored"})
#: What the accounting says of a turned box.
TURNED = "turned box, the upright box around it taken"


@dataclass(frozen=True)
class Mark:
    """A box that has passed every check so far.

    Attributes:
        row: its name in messages.
        xywh: left, top, width, height in pixels.
        size: width and height of the image.
        identity: -1 = without a label; None = nothing says it but the labels.
        ignore: whether it counts neither way.
        labels: its labels.
    """

    row: str
    xywh: tuple[float, float, float, float]
    size: tuple[int, int]
    identity: int | None
    ignore: bool
    labels: tuple[str, ...]


def upright(
    xywh: tuple[float, float, float, float], degrees: float, pivot: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Return the upright box around one that is turned.

    Args:
        xywh: left, top, width, height in pixels, as it is before it is turned.
        degrees: clockwise.
        pivot: the point that stays where it is.
    """
    left, top, width, height = xywh
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    corners = [
        (pivot[0] + x * cosine - y * sine, pivot[1] + x * sine + y * cosine)
        for x in (left - pivot[0], left + width - pivot[0])
        for y in (top - pivot[1], top + height - pivot[1])
    ]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def is_ignored(labels: Sequence[str]) -> bool:
    """Whether a box with these labels counts neither way."""
    return any(plain(label) in IGNORED for label in labels)


def people_labels(path: Path, marks: Sequence[Mark], ledger: Ledger, wanted: Sequence[str] | None) -> set[str]:
    """Return the labels that are people; see :func:`personsearch.datasets.load_dataset`.

    Raises:
        DatasetError: several labels are in use and none is called person, or a wanted one is not there.
    """
    counts = Counter(label for one in marks for label in one.labels if plain(label) not in IGNORED)
    return people_categories(path, counts, wanted, ledger)


def kept_marks(marks: Sequence[Mark], people: set[str], ledger: Ledger) -> list[Mark]:
    """Return the boxes that are people or count neither way; the others are left out by a rule."""
    kept = []
    for one in marks:
        if one.ignore or not one.labels or any(label in people for label in one.labels):
            kept.append(one)
        else:
            ledger.drop(f"category {one.labels[0]!r}")
    return kept


@contextmanager
def unless_unusable(ledger: Ledger, marks: Sequence[Mark]) -> Iterator[None]:
    """Account for the boxes of a scene that the block finds unusable, and go on with the next one."""
    try:
        yield
    except ProblemError as error:
        ledger.drop(UNUSABLE, len(marks))
        ledger.note(error.problem)


def scene_of(
    ledger: Ledger,
    path: Path,
    where: str,
    *,
    root: Path,
    name: str,
    size: tuple[int, int],
    about: Mapping[str, Any],
    marks: Sequence[Mark],
    taken: Mapping[str, Scene],
    require_images: bool,
) -> Scene:
    """Return a scene.

    Args:
        ledger: takes the account.
        path: the file of annotations.
        where: the scene's row in it.
        root: folder of the images.
        name: of the image in it.
        size: width and height.
        about: ``camera``, ``time`` (a number of seconds) and ``scene`` (the place), where they are known.
        marks: its boxes.
        taken: the scenes so far, by name.
        require_images: a scene whose image is missing cannot be used.

    Raises:
        ProblemError: it cannot be used.
    """
    if name in taken:
        raise ProblemError(path, f"the image {name!r} occurs more than once", where)
    if require_images and not is_file(root / name):
        raise ProblemError(
            path, f"no such image: {root / name}; say where the images are with images (--images)", where
        )
    time = about.get("time")
    if time is not None and not is_number(time):
        raise ProblemError(path, f"time must be a number of seconds, got {short(time)}", where)
    boxes, identities, ignore, repeated = people_of(
        ledger,
        path,
        lambda number: marks[number].row,
        np.array([mark.xywh for mark in marks], dtype=np.float64).reshape(-1, 4),
        np.array([_identity(mark) for mark in marks], dtype=np.int64),
        np.array([mark.ignore for mark in marks], dtype=bool),
        size,
    )
    return Scene(
        image_id=name,
        path=root / name,
        width=size[0],
        height=size[1],
        camera=None if about.get("camera") is None else str(about["camera"]),
        time=None if time is None else float(time),
        place=None if about.get("scene") is None else str(about["scene"]),
        boxes=boxes,
        identities=identities,
        ignore=ignore,
        repeated=repeated,
    )


def _identity(mark: Mark) -> int:
    """Return who a box is: as something says, or else a label ``person 7``."""
    if mark.identity is not None:
        return mark.identity
    numbers = [number for label in mark.labels if (number := number_of(label)) is not None]
    return numbers[0] if numbers else -1
