"""The regions of an annotation in Label Studio: a box, and what controls say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from personsearch.datasets.formats.categories import plain
from personsearch.datasets.formats.ledger import Ledger
from personsearch.datasets.formats.marks import TURNED, Mark, is_ignored, upright
from personsearch.datasets.formats.values import identity_of, is_number, short, whole, yes_no

Row = Mapping[str, Any]

#: The control that says who a region is.
PERSON_ID = "person_id"
#: Types of results that are rectangles.
_RECTANGLES = ("rectanglelabels", "rectangle")


def is_rectangle(part: object) -> bool:
    """Whether a part of a result is a rectangle."""
    return isinstance(part, dict) and part.get("type") in _RECTANGLES


def marks_of(path: Path, result: Sequence[Any], where: str, ledger: Ledger) -> list[Mark]:
    """Return the rectangles of a result; other shapes and malformed rows are noted in the ledger.

    Args:
        path: the file, for messages.
        result: of the annotation.
        where: the task, for messages.
        ledger: takes the account.
    """
    parts: dict[str, list[Row]] = {}
    for number, part in enumerate(result):
        if not isinstance(part, dict):
            ledger.bad_file(path, f"a result must be an object, not {type(part).__name__}", f"{where}, result {number}")
        elif part.get("type") != "relation":
            # A part without an id is a region of its own, or says something of the whole image.
            key = repr(part["id"]) if part.get("id") is not None else f"without an id {number}"
            parts.setdefault(key, []).append(part)
    found = []
    for of_region in parts.values():
        shape = next((part for part in of_region if is_rectangle(part)), None)
        other = shape or next((part for part in of_region if _is_shape(part)), None)
        if other is None:
            continue  # a text or choice about the whole image
        ledger.read(1)
        if shape is None:
            ledger.drop(f"region of the type {other.get('type')!r}")
            continue
        row = f"{where}, region {short(shape.get('id'))}"
        try:
            found.append(_mark(shape, of_region, row, ledger))
        except ValueError as error:
            ledger.bad_row(path, row, str(error))
    return found


def _is_shape(part: Row) -> bool:
    return _has_value(part) and any(key in part["value"] for key in ("x", "points", "vertices", "rle", "sequence"))


def _has_value(part: Row) -> bool:
    return isinstance(part.get("value"), dict)


def _mark(shape: Row, parts: Sequence[Row], row: str, ledger: Ledger) -> Mark:
    """Return a rectangle.

    Raises:
        ValueError: says why it cannot be used.
    """
    if not _has_value(shape):
        raise ValueError(f"value must be an object, got {short(shape.get('value'))}")
    if shape.get("image_rotation") not in (None, 0):
        raise ValueError(
            f"the image was turned by {short(shape['image_rotation'])} degrees while it was annotated; turn it back in "
            "Label Studio, or turn the file"
        )
    size = (whole(shape.get("original_width")) or 0, whole(shape.get("original_height")) or 0)
    if min(size) < 1:
        given = [shape.get("original_width"), shape.get("original_height")]
        raise ValueError(f"original_width and original_height must be whole numbers above 0, got {short(given)}")
    value = shape["value"]
    numbers = [value.get(key) for key in ("x", "y", "width", "height")]
    if not all(is_number(number) for number in numbers):
        raise ValueError(f"x, y, width and height must be finite numbers (per cent), got {short(numbers)}")
    x, y, width, height = (number * size[side % 2] / 100 for side, number in enumerate(numbers))
    angle = value.get("rotation", 0)
    if not is_number(angle):
        raise ValueError(f"rotation must be a number of degrees, got {short(angle)}")
    xywh = (x, y, width, height)
    if angle % 360:
        xywh = upright(xywh, angle, (x, y))
        ledger.change(TURNED)
    labels = _labels(parts)
    ignore = is_ignored(labels) or any(yes_no(answer, "ignore") for answer in _answers(parts, "ignore"))
    return Mark(row, xywh, size, _identity(parts), ignore, labels)


def _labels(parts: Sequence[Row]) -> tuple[str, ...]:
    """Return the labels of a region, whichever control gave them."""
    found: list[str] = []
    for part in parts:
        for key in ("rectanglelabels", "labels"):
            names = part["value"].get(key) if _has_value(part) else None
            found += [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    return tuple(dict.fromkeys(name.strip() for name in found))


def _answers(parts: Sequence[Row], control: str) -> list[Any]:
    """Return what the controls of a region with this name say, whatever their kind."""
    answers: list[Any] = []
    for part in parts:
        name = part.get("from_name")
        if not isinstance(name, str) or plain(name) != control or not _has_value(part):
            continue
        for key in ("text", "number", "choices"):
            said = part["value"].get(key)
            answers += said if isinstance(said, list) else [] if said is None else [said]
    return answers


def _identity(parts: Sequence[Row]) -> int | None:
    """Return who a region is, as its control says; None = no control says it.

    Raises:
        ValueError: it is no person_id, or there are several.
    """
    answers = {identity_of(answer) for answer in _answers(parts, PERSON_ID)}
    if len(answers) > 1:
        raise ValueError(f"has several person_ids, {', '.join(map(str, sorted(answers)))}; leave one")
    return next(iter(answers), None)
