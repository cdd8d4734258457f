"""Files of detections: COCO's list of results, and COCO-style sets with pictures and annotations."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from personsearch.errors import ImageError
from personsearch.given.classes import Classes, require_people
from personsearch.given.people import GivenPeople

_BOX = "bbox must be four finite numbers [x, y, width, height], width and height not below 0"
_ADVICE = (
    "give the annotation file, whose categories have names (images=, --boxes-images), or keep the rows of people and "
    "leave their category_id out"
)


@dataclass(frozen=True, eq=False)
class DetectionsFile(Mapping[str, GivenPeople]):
    """What a file of detections holds: image_id -> people.

    Attributes:
        path: of the file.
        people: image_id -> people, by falling score or not, as in the file.
        lists_pictures: whether the pictures that were looked at are known. Then each of them is among ``people``, and
            nothing is known of any other. A plain list of results does not tell: a picture without a row in it shows
            nobody.
    """

    path: Path
    people: Mapping[str, GivenPeople]
    lists_pictures: bool

    def __getitem__(self, image_id: str) -> GivenPeople:
        return self.people[image_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.people)

    def __len__(self) -> int:
        return len(self.people)

    def of(self, image_id: str) -> GivenPeople:
        """Return the people of a picture; of one without a row in a plain list of results, nobody.

        Raises:
            ImageError: the file lists the pictures that were looked at, and this is none of them.
        """
        found = self.people.get(image_id)
        if found is None and self.lists_pictures:
            raise ImageError(f"{image_id}: is not among the {len(self.people)} pictures of {self.path}")
        return nobody() if found is None else found


def nobody() -> GivenPeople:
    """Return the people of a picture that shows none."""
    return GivenPeople(np.zeros((0, 4)), np.zeros(0, dtype=np.float32))


def read_detections(
    path: str | os.PathLike[str], *, images: str | os.PathLike[str] | Mapping[Any, str] | None = None
) -> DetectionsFile:
    """Read the people of a file of detections.

    Two kinds are told by what is in them. COCO's list of results, ``[{"image_id", "category_id", "bbox": [x, y, width,
    height], "score"}, ...]``, as evaluation tools take it: an ``image_id`` that is a text is ours; one that is a number
    needs ``images``. And a COCO-style set, ``{"images", "annotations", "categories"}``, as ``personsearch gallery
    export`` and annotation tools write it: a picture is named by its ``file_name``, as ``load_dataset`` does it, and
    boxes marked ``iscrowd`` or ``ignore`` are left out. A row without ``score`` has 1, one without ``category_id`` is a
    person.

    Where categories have names, those called person, pedestrian, people or human are kept, or the only category there
    is. Categories without names must be a single one, 0 or 1.

    Args:
        path: the JSON file.
        images: of a list of results: the annotation file that its numbers are of, whose ``images`` name the files, or a
            mapping of them, image_id in the file -> our image_id.

    Raises:
        ImageError: the file or a row cannot be used; names the row.

    Example:
        >>> import json
        >>> from pathlib import Path
        >>> from personsearch.given import read_detections
        >>> row = {"image_id": "door.jpg", "category_id": 1, "bbox": [10, 20, 50, 130], "score": 0.9}
        >>> _ = Path("results.json").write_text(json.dumps([row]))
        >>> read_detections("results.json")["door.jpg"].boxes.tolist()
        [[10.0, 20.0, 60.0, 150.0]]
    """
    file = Path(path)
    data = _json(file)
    if isinstance(data, list):
        names = None if images is None else _names(images)
        rows = [(f"{file}: row {number}", row) for number, row in enumerate(data)]
        return _detections(file, rows, names)
    if isinstance(data, dict) and isinstance(data.get("images"), list) and isinstance(data.get("annotations"), list):
        if images is not None:
            raise ImageError(f"{file}: names its pictures itself; leave images (--boxes-images) out")
        rows = [(f"{file}: annotations[{number}]", row) for number, row in enumerate(data["annotations"])]
        return _detections(file, rows, _names_in(file, data))
    raise ImageError(
        f"{file}: is neither a list of results, [{{'image_id', 'category_id', 'bbox', 'score'}}, ...], nor a "
        "COCO-style file with the lists 'images' and 'annotations'"
    )


@dataclass(frozen=True, eq=False)
class _Names:
    """What a file says of pictures and categories.

    Attributes:
        source: what says it, for messages.
        pictures: id in the file, as text -> our image_id.
        files: all image_ids.
        sizes: image_id -> (height, width), where they are known.
        categories: id in the file, as text -> name; None = nothing says.
    """

    source: str
    pictures: Mapping[str, str]
    files: frozenset[str]
    sizes: Mapping[str, tuple[int, int]]
    categories: Mapping[str, str] | None


def _detections(file: Path, rows: list[tuple[str, Any]], names: _Names | None) -> DetectionsFile:
    classes = Classes()
    boxes: dict[str, list[tuple[float, ...]]] = {}
    scores: dict[str, list[float]] = {}
    for image_id in () if names is None else names.pictures.values():
        boxes[image_id], scores[image_id] = [], []
    for where, row in rows:
        if not isinstance(row, dict):
            raise ImageError(f"{where}: must be an object, got {_short(row)}")
        image_id = _image_id(row, names, where)
        box, score = _box(row, where), _score(row, where)
        if _is_marked(row) or not _is_person(row, names, classes, where):
            continue
        boxes.setdefault(image_id, []).append(box)
        scores.setdefault(image_id, []).append(score)
    classes.log()
    sizes = {} if names is None else names.sizes
    people = {
        image_id: GivenPeople(
            np.array(corners, dtype=np.float64).reshape(-1, 4),
            np.array(scores[image_id], dtype=np.float32),
            sizes.get(image_id),
        )
        for image_id, corners in boxes.items()
    }
    return DetectionsFile(file, people, lists_pictures=names is not None)


def _image_id(row: Mapping[str, Any], names: _Names | None, where: str) -> str:
    given = row.get("image_id")
    if isinstance(given, bool) or not isinstance(given, (int, str)) or given == "":
        raise ImageError(f"{where}: image_id must be a text or a whole number, got {_short(given)}")
    if names is None:
        if isinstance(given, int):
            raise ImageError(
                f"{where}: image_id {given} is a number; give the annotation file whose images say which file that is "
                "(images=, --boxes-images)"
            )
        return given
    if str(given) in names.pictures:
        return names.pictures[str(given)]
    if isinstance(given, str) and given in names.files:
        return given
    raise ImageError(
        f"{where}: image_id {_short(given)} is not among the {len(names.pictures)} pictures of {names.source}"
    )


def _box(row: Mapping[str, Any], where: str) -> tuple[float, float, float, float]:
    bbox = row.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)) or min(bbox[2:]) < 0:
        raise ImageError(f"{where}: {_BOX}, got {_short(bbox)}")
    x, y, width, height = map(float, bbox)
    return x, y, x + width, y + height


def _score(row: Mapping[str, Any], where: str) -> float:
    score = row.get("score", 1.0)
    if not _is_number(score) or not 0 <= score <= 1:
        raise ImageError(f"{where}: score must be a number between 0 and 1, got {_short(score)}")
    return float(score)


def _is_marked(row: Mapping[str, Any]) -> bool:
    """Whether a box stands for no single person: a crowd, or one to ignore."""
    attributes = row.get("attributes")
    more = attributes if isinstance(attributes, dict) else {}
    flags = (row.get("iscrowd"), row.get("ignore"), more.get("ignore"))
    return any(str(flag).strip().casefold() in ("1", "true", "yes") for flag in flags)


def _is_person(row: Mapping[str, Any], names: _Names | None, classes: Classes, where: str) -> bool:
    given = row.get("category_id")
    if given is None:
        return True
    if isinstance(given, bool) or not isinstance(given, (int, str)):
        raise ImageError(f"{where}: category_id must be a whole number, got {_short(given)}")
    if names is not None and names.categories is not None:
        known = names.categories
        if str(given) not in known:
            raise ImageError(f"{where}: category_id {_short(given)} is not among the categories of {names.source}")
        return len(known) == 1 or bool(classes.by_name([known[str(given)]])[0])
    try:
        number = int(given)
    except ValueError:
        raise ImageError(f"{where}: category_id must be a whole number, got {_short(given)}") from None
    classes.by_number(np.array([number]), where, _ADVICE)
    return True


def _names(images: str | os.PathLike[str] | Mapping[Any, str]) -> _Names:
    if isinstance(images, Mapping):
        pictures = {str(key): str(name) for key, name in images.items()}
        return _Names("images", pictures, frozenset(pictures.values()), {}, None)
    data = _json(Path(images))
    if not isinstance(data, dict) or not isinstance(data.get("images"), list):
        raise ImageError(f"{Path(images)}: has no list 'images', so it is not an annotation file")
    return _names_in(Path(images), data)


def _names_in(file: Path, data: Mapping[str, Any]) -> _Names:
    pictures: dict[str, str] = {}
    files: set[str] = set()
    sizes: dict[str, tuple[int, int]] = {}
    for number, row in enumerate(data["images"]):
        where = f"{file}: images[{number}]"
        if not isinstance(row, dict) or row.get("id") is None or not isinstance(row.get("file_name"), str):
            raise ImageError(f"{where}: needs an 'id' and a 'file_name'")
        name = row["file_name"]
        if str(row["id"]) in pictures or name in files:
            raise ImageError(f"{where}: its id {_short(row['id'])} or its file_name {_short(name)} occurs twice")
        pictures[str(row["id"])] = name
        files.add(name)
        if _is_number(row.get("width")) and _is_number(row.get("height")):
            sizes[name] = (int(row["height"]), int(row["width"]))
    return _Names(str(file), pictures, frozenset(files), sizes, _categories(file, data.get("categories")))


def _categories(file: Path, rows: Any) -> dict[str, str] | None:
    if not isinstance(rows, list) or not rows:
        return None
    names: dict[str, str] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or row.get("id") is None or not isinstance(row.get("name"), str):
            raise ImageError(f"{file}: categories[{number}] needs an 'id' and a 'name'")
        names[str(row["id"])] = row["name"]
    require_people(names.values(), f"{file}: the categories")
    return names


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except OSError as error:
        raise ImageError(f"{file}: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError) as error:  # also bytes that are no text
        raise ImageError(f"{file}: is not JSON ({error})") from None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
