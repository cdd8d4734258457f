"""COCO-style annotations with a ``person_id``: the format for users' own data.

Beyond COCO's fields an image may have ``camera``, ``time`` (seconds) and ``scene`` (the place), and an annotation
``person_id`` (-1 or absent = without a label) and ``ignore``. ``iscrowd`` 1 counts as ``ignore``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from personsearch.datasets.scene import Query, Scene
from personsearch.errors import DatasetError


def load_coco(annotations: str | Path, images: str | Path | None = None) -> list[Scene]:
    """Read a set.

    Args:
        annotations: the json file.
        images: folder that ``file_name`` is relative to; by default the json file's folder.

    Returns:
        One record per image, in file order. Boxes are xyxy, clipped to the image. An identity that occurs twice in
        one image keeps its first box; the others stay as people without a label.

    Raises:
        DatasetError: the file, or a row of it, cannot be used; the message names the row.
    """
    path = Path(annotations)
    root = path.parent if images is None else Path(images)
    data = _read(path)
    rows = _rows(path, data, "images")
    by_image: dict[Any, list[dict[str, Any]]] = {row["id"]: [] for row in rows if "id" in row}
    if len(by_image) != len(rows):
        raise DatasetError(f"{path}: image ids are missing or occur twice; every image needs its own id")
    ids: set[Any] = set()
    for number, row in enumerate(_rows(path, data, "annotations")):
        if "id" in row and row["id"] in ids:
            raise DatasetError(f"{path}: annotation id {row['id']!r} occurs twice; queries could not name either")
        ids.add(row.get("id"))
        if row.get("image_id") not in by_image:
            raise DatasetError(f"{path}: annotation {number} names image {row.get('image_id')!r}, which is not there")
        by_image[row["image_id"]].append(row)
    scenes = [_scene(path, root, row, by_image[row["id"]]) for row in rows]
    names = [scene.image_id for scene in scenes]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DatasetError(f"{path}: file_name {twice[0]!r} occurs more than once")
    return scenes


def load_queries(path: str | Path, annotations: str | Path) -> list[Query]:
    """Read a query list: ``{"queries": [{"annotation_id": ...}, ...]}`` pointing into the annotations' file.

    Args:
        path: the query file.
        annotations: the COCO-style file that the ids belong to.

    Raises:
        DatasetError: a query names an annotation that is absent or has no identity.
    """
    path, data = Path(path), _read(Path(annotations))
    names = {row["id"]: row["file_name"] for row in _rows(Path(annotations), data, "images")}
    boxes = {row["id"]: row for row in _rows(Path(annotations), data, "annotations")}
    queries = []
    for number, row in enumerate(_rows(path, _read(path), "queries")):
        box = boxes.get(row.get("annotation_id"))
        if box is None or box.get("person_id", -1) < 0:
            raise DatasetError(f"{path}: query {number} names no labelled annotation of {annotations}")
        corners = _corners(box["bbox"])
        queries.append(Query(image_id=names[box["image_id"]], box=corners, identity=int(box["person_id"])))
    return queries


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); give the annotations' json file") from None
    except ValueError as error:
        raise DatasetError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise DatasetError(f"{path}: must hold a JSON object, not {type(data).__name__}")
    return data


def _rows(path: Path, data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    rows = data.get(key)
    if not isinstance(rows, list):
        raise DatasetError(f"{path}: has no list {key!r}; it must be a COCO-style file")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DatasetError(f"{path}: {key}[{number}] must be an object, not {type(row).__name__}")
    return rows


def _corners(bbox: list[float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    x, y, w, h = bbox
    return np.array([x, y, x + w, y + h], dtype=np.float32)


def _scene(path: Path, root: Path, row: dict[str, Any], people: list[dict[str, Any]]) -> Scene:
    for key in ("file_name", "width", "height"):
        if key not in row:
            raise DatasetError(f"{path}: image {row['id']} has no {key!r}")
    width, height = int(row["width"]), int(row["height"])
    boxes, identities, ignore = [], [], []
    seen: set[int] = set()
    for person in people:
        where = f"{path}: annotation {person.get('id')} of {row['file_name']}"
        bbox = person.get("bbox")
        if not isinstance(bbox, list) or len(bbox) != 4 or not np.isfinite(np.asarray(bbox, dtype=float)).all():
            raise DatasetError(f"{where}: bbox must be four finite numbers [x, y, width, height], got {bbox!r}")
        box = _corners(bbox).clip(0, [width, height, width, height]).astype(np.float32)
        if (box[2:] <= box[:2]).any():
            raise DatasetError(f"{where}: bbox {bbox} has no area inside the {width}x{height} image")
        skip = bool(person.get("ignore", False)) or bool(person.get("iscrowd", 0))
        identity = -1 if skip else int(person.get("person_id", -1))
        if identity < -1:
            raise DatasetError(f"{where}: person_id must be -1 or more, got {identity}")
        if identity in seen:
            identity = -1
        elif identity >= 0:
            seen.add(identity)
        boxes.append(box)
        identities.append(identity)
        ignore.append(skip)
    return Scene(
        image_id=row["file_name"],
        path=root / row["file_name"],
        width=width,
        height=height,
        camera=row.get("camera"),
        time=None if row.get("time") is None else float(row["time"]),
        place=row.get("scene"),
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        identities=np.array(identities, dtype=np.int64),
        ignore=np.array(ignore, dtype=bool),
    )
