"""Boxes and scores out of whatever a detector returns; told by its attributes, so that no detector is imported."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from personsearch.boxes import checked_boxes
from personsearch.errors import ImageError
from personsearch.given.classes import Classes
from personsearch.results import Floats

#: The people of one picture, as somebody's detector returns them: (N, 4) boxes, xyxy pixels of the upright picture,
#: as array, tensor or list; torchvision's dictionary with ``boxes``, ``scores`` and ``labels``; an object with ``xyxy``
#: and ``confidence`` (``supervision.Detections``, which rf-detr returns); ultralytics' ``Results``; our ``Detections``.
Found: TypeAlias = Any

#: How far a score may be above 1, as sums in half precision round.
ROUNDING = 1e-3
_SCORES = ("scores", "confidence", "conf")
_CLASSES = ("labels", "class_id", "cls")
_NUMBERS_ADVICE = (
    "keep people only, e.g. detections[detections.class_id == 0], or say that all are people by leaving the classes "
    "out: {'boxes': boxes, 'scores': scores}"
)


@dataclass(frozen=True, eq=False)
class GivenPeople:
    """The people of one picture whose boxes come from elsewhere, before they are held against the picture.

    Attributes:
        boxes: (N, 4) float64 xyxy, pixels of the original upright picture; they may reach beyond it.
        scores: (N,) float32, 0..1; 1 where none are given.
        image_size: (height, width) of the picture that the boxes are of, if what gave them says so.
    """

    boxes: NDArray[np.float64]
    scores: Floats
    image_size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def digest(self) -> str:
        """The sha256 of boxes and scores, 64 hex digits: the same boxes again have the same."""
        content = hashlib.sha256(np.ascontiguousarray(self.boxes).tobytes())
        content.update(np.ascontiguousarray(self.scores).tobytes())
        return content.hexdigest()

    def inside(
        self,
        image_size: tuple[int, int],
        name: str,
        *,
        threshold: float | None = None,
        max_people: int | None = None,
    ) -> tuple[Floats, Floats]:
        """Return the people in a picture by falling score.

        Boxes are clipped to the picture, as detectors' boxes often reach beyond it. What has no width or no height is
        left out: that is a box in a picture's margin, which the detector itself has clipped.

        Args:
            image_size: (height, width).
            name: of the picture, for messages.
            threshold: lowest score; None = all.
            max_people: most people, those with the highest scores; None = all.

        Returns:
            (N, 4) float32 boxes inside the picture, and (N,) float32 scores; equal scores stay in the given order.

        Raises:
            ImageError: names the picture and the row: a box lies outside, has its corners swapped, or is given in
                fractions; or the boxes are of a picture of another size.
        """
        if self.image_size is not None and self.image_size != image_size:
            (height, width), (high, wide) = self.image_size, image_size
            raise ImageError(
                f"{name}: the boxes are of a picture of {width}x{height}, this one is {wide}x{high} upright; give "
                "boxes in pixels of the original, upright picture"
            )
        order = np.argsort(-self.scores, kind="stable")
        if threshold is not None:
            order = order[self.scores[order] >= threshold]
        boxes, rows = [], []
        for row in order[:max_people].tolist():
            box = self.boxes[row]
            if _is_flat(box, image_size):
                continue
            boxes.append(checked_boxes(box[None], image_size, f"{name}, row {row}")[0])
            rows.append(row)
        return np.array(boxes, dtype=np.float32).reshape(-1, 4), self.scores[rows]


def people_in(found: Found, where: str, classes: Classes | None = None) -> GivenPeople:
    """Return the people among what a detector found in one picture.

    Where classes have names (ultralytics' ``names``, supervision's ``data["class_name"]``), those called person,
    pedestrian, people or human are kept, and the others left out. Classes that are numbers alone must be a single one,
    0 or 1: see :class:`~personsearch.given.classes.Classes`.

    Args:
        found: see :data:`Found`.
        where: the picture, for messages.
        classes: the account of the call that this picture belongs to.

    Raises:
        ImageError: it is none of these, its boxes are not (N, 4) or its scores not (N,) of 0..1, or nothing says which
            of its classes are people. Names the picture and what is wrong.

    Example:
        >>> from personsearch.given import people_in
        >>> people = people_in({"boxes": [[10, 20, 60, 150]], "scores": [0.9], "labels": [1]}, "door.jpg")
        >>> people.boxes.tolist(), round(float(people.scores[0]), 2)
        ([[10.0, 20.0, 60.0, 150.0]], 0.9)
    """
    classes = Classes() if classes is None else classes
    parts = _parts(found, where)
    boxes = _boxes(parts.boxes, where)
    scores = _scores(parts.scores, len(boxes), where)
    keep = _people(parts, len(boxes), classes, where)
    return GivenPeople(boxes[keep], scores[keep], parts.image_size)


@dataclass(frozen=True, eq=False)
class _Parts:
    """What a detector's result is made of."""

    boxes: Any
    scores: Any = None
    numbers: Any = None
    names: Any = None
    known: Mapping[Any, Any] | None = None
    image_size: tuple[int, int] | None = None


def _parts(found: Found, where: str) -> _Parts:
    if isinstance(found, GivenPeople):
        return _Parts(found.boxes, found.scores, image_size=found.image_size)
    if found is None:
        raise ImageError(f"{where}: the boxes are None; where nobody is found, give an empty list")
    if isinstance(found, Mapping):
        if "boxes" not in found:
            keys = ", ".join(map(str, found)) or "none"
            raise ImageError(f"{where}: a dictionary of boxes needs the key 'boxes', xyxy pixels; its keys are {keys}")
        return _Parts(found["boxes"], _first(found, _SCORES), _first(found, _CLASSES))
    if hasattr(found, "xyxy"):  # supervision, and ultralytics' Boxes
        data = getattr(found, "data", None)
        names = data.get("class_name") if isinstance(data, Mapping) else None
        return _Parts(found.xyxy, _attribute(found, _SCORES), _attribute(found, _CLASSES), names)
    boxes: Any = getattr(found, "boxes", None)
    if hasattr(boxes, "xyxy"):  # ultralytics' Results
        size = getattr(found, "orig_shape", None)
        return _Parts(
            boxes.xyxy,
            _attribute(boxes, _SCORES),
            _attribute(boxes, _CLASSES),
            known=_by_number(getattr(found, "names", None)),
            image_size=None if size is None else (int(size[0]), int(size[1])),
        )
    if hasattr(found, "boxes") and hasattr(found, "scores"):  # our own
        return _Parts(found.boxes, found.scores, image_size=getattr(found, "image_size", None))
    if hasattr(found, "boxes"):
        raise ImageError(f"{where}: this {type(found).__name__} holds no upright boxes; use a detector of boxes")
    if isinstance(found, (list, tuple)) and found and _is_result(found[0]):
        raise ImageError(
            f"{where}: got a list of {len(found)} {type(found[0]).__name__}, one for each picture; give the element of "
            "this picture, e.g. result[0]"
        )
    return _Parts(found)


def _is_result(value: Any) -> bool:
    return isinstance(value, Mapping) or hasattr(value, "xyxy") or hasattr(value, "boxes")


def _by_number(names: Any) -> Mapping[Any, Any] | None:
    return dict(enumerate(names)) if isinstance(names, (list, tuple)) else names


def _first(found: Mapping[Any, Any], keys: tuple[str, ...]) -> Any:
    return next((found[key] for key in keys if found.get(key) is not None), None)


def _attribute(found: object, names: tuple[str, ...]) -> Any:
    return next((value for name in names if (value := getattr(found, name, None)) is not None), None)


def _array(value: Any, where: str, what: str) -> NDArray[np.float64]:
    """Return numbers, also those of a tensor on any device, in any precision."""
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu().double()  # numpy knows no bfloat16
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ImageError(f"{where}: {what} must be numbers, got {str(value)[:80]}") from None


def _boxes(value: Any, where: str) -> NDArray[np.float64]:
    boxes = _array(value, where, "boxes")
    if boxes.size == 0:
        return np.zeros((0, 4))
    if boxes.shape == (4,):
        boxes = boxes[None]
    if boxes.ndim == 2 and boxes.shape[1] in (5, 6):
        raise ImageError(
            f"{where}: boxes must be (N, 4) xyxy, got {boxes.shape}; if the fifth column is the score, give "
            "{'boxes': rows[:, :4], 'scores': rows[:, 4]}"
        )
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ImageError(f"{where}: boxes must be (N, 4), x1, y1, x2, y2 in pixels, got {boxes.shape}")
    return boxes


def _scores(value: Any, count: int, where: str) -> Floats:
    if value is None:
        return np.ones(count, dtype=np.float32)
    scores = _array(value, where, "scores")
    if scores.shape != (count,) and not count == scores.size == 0:
        raise ImageError(f"{where}: {count} boxes need as many scores, got {scores.shape}")
    scores = scores.reshape(count)
    bad = np.flatnonzero(~((scores >= 0) & (scores <= 1 + ROUNDING)))  # NaN is neither
    if len(bad):
        raise ImageError(f"{where}, row {bad[0]}: a score must be between 0 and 1, got {scores[bad[0]]:g}")
    return scores.clip(max=1).astype(np.float32)


def _people(parts: _Parts, count: int, classes: Classes, where: str) -> NDArray[np.bool_]:
    """Return (count,) bool: which boxes are people."""
    everybody = np.ones(count, dtype=bool)
    if parts.names is not None:
        names = [str(name) for name in parts.names]
        if len(names) != count:
            raise ImageError(f"{where}: {count} boxes need as many class names, got {len(names)}")
        return classes.by_name(names)
    if parts.numbers is None or not count:
        return everybody
    numbers = _array(parts.numbers, where, "classes").reshape(-1)
    if len(numbers) != count or not (numbers == np.trunc(numbers)).all():
        raise ImageError(f"{where}: {count} boxes need as many whole numbers as classes, got {str(parts.numbers)[:80]}")
    if parts.known is not None:
        return classes.by_known(numbers.astype(np.int64), parts.known, where)
    classes.by_number(numbers.astype(np.int64), where, _NUMBERS_ADVICE)
    return everybody


def _is_flat(box: NDArray[np.float64], image_size: tuple[int, int]) -> bool:
    """Whether a box in a picture or at its edge has no width or no height, to the precision of a canvas."""
    height, width = image_size
    x1, y1, x2, y2 = box.tolist()
    if not (np.isfinite(box).all() and x1 <= x2 and y1 <= y2 and x1 <= width and y1 <= height and x2 >= 0 and y2 >= 0):
        return False  # something else is wrong with it
    clipped = box.astype(np.float32).clip(0, np.array([width, height, width, height], dtype=np.float32))
    return bool((clipped[2:] <= clipped[:2]).any())
