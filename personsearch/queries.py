"""Whom a search is for: the person in a given box, a picture that is one person, or the best detection; or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from personsearch.boxes import box_iou, checked_boxes
from personsearch.errors import ImageError
from personsearch.pictures.decode import ChannelOrder, ImageInput, describe
from personsearch.results import Detections, QueryPerson
from personsearch.runner import Ready, Runner, Settings

Box: TypeAlias = Sequence[float]
#: A picture of the person to search for, alone or with the person's box.
QueryInput: TypeAlias = "ImageInput | tuple[ImageInput, Box | None]"

#: Height by width of a picture that may be one person from head to feet.
PERSON_SHAPE = (1.6, 4.5)
#: A detection and its picture overlap by at least this IoU where the picture is that person.
FILLS = 0.6


def pictures_of(
    image: ImageInput | None, box: Box | None, images: Sequence[QueryInput] | None
) -> list[tuple[ImageInput, Box | None]]:
    """Return every picture of a query with the person's box, if one is given; see ``PersonSearcher.search``.

    Raises:
        ImageError: there is a box without a picture, or ``images`` is no list.
    """
    if image is None and box is not None:
        raise ImageError(f"the box {tuple(box)} is given without image; give the picture that it is in")
    if images is not None and not isinstance(images, (list, tuple)):
        raise ImageError(f"{describe(images)}: images takes a list of pictures of one person; for one, write [picture]")
    pictures: list[tuple[ImageInput, Box | None]] = [] if image is None else [(image, box)]
    pictures += [(one[0], one[1]) if isinstance(one, tuple) else (one, None) for one in images or ()]
    return pictures


def find_person(
    runner: Runner, image: ImageInput, box: Sequence[float] | None, channel_order: ChannelOrder
) -> QueryPerson:
    """Find and embed the person to search for; see ``PersonSearcher.find_query``.

    Without a box, a picture that is not wider than tall is looked at twice: as a crop, at the size that one person has
    in a scene, and as a scene. A photograph of a street on a phone is as tall as a crop of somebody; but only of the
    crop one detection fills the picture.
    """
    name = describe(image)
    scene, crop = runner.ready_query(image, channel_order)
    height, width = scene.canvas.image_size
    if box is not None:
        boxes = checked_boxes([box], (height, width), name)
        if boxes[0].tolist() == [0, 0, width, height]:
            return _whole(runner, crop())
        return QueryPerson(box=_corners(boxes[0]), embedding=runner.embed(scene, boxes)[0])
    small = height <= runner.network.config.input.min_size  # smaller than any scene is shown
    as_crop = None
    if height >= width:
        as_crop = next(runner.detect([crop()], Settings()))
        if _fill(as_crop):
            return _whole(runner, crop())
    if small and as_crop is not None and len(as_crop):
        found = as_crop  # as a scene it would be magnified, and people in it be larger than any in training
    else:
        found = next(runner.detect([scene], Settings()))
        if not len(found) and as_crop is not None:
            found = as_crop
    if len(found):
        return QueryPerson(box=_corners(found.boxes[0]), embedding=found.embeddings[0], score=float(found.scores[0]))
    if small and PERSON_SHAPE[0] <= height / width <= PERSON_SHAPE[1]:
        return _whole(runner, crop())
    raise ImageError(
        f"{name}: nobody is detected here to search for; give the person's box, 0,0,{width},{height} for the whole "
        "picture"
    )


def _fill(found: Detections) -> bool:
    """Whether one of the detections fills its picture."""
    height, width = found.image_size
    picture = np.array([[0, 0, width, height]], dtype=np.float32)
    return bool((box_iou(found.boxes, picture) >= FILLS).any())


def _whole(runner: Runner, crop: Ready) -> QueryPerson:
    person = next(runner.embed_crops([crop], Settings()))
    return QueryPerson(box=_corners(person.boxes[0]), embedding=person.embeddings[0], whole_picture=True)


def _corners(box: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box.tolist()
    return x1, y1, x2, y2
