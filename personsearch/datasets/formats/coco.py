"""COCO-style annotations with a ``person_id``: the format for users' own data, and what annotation tools export.

Beyond COCO's fields an image may have ``camera``, ``time`` (seconds) and ``scene`` (the place), and an annotation
``person_id`` (-1 or absent = without a label) and ``ignore``. ``iscrowd`` 1 counts as ``ignore``. ``person_id`` and
``ignore`` may also be in ``attributes``, where CVAT writes them; without a ``person_id``, ``attributes.track_id`` is
the identity. Booleans may be texts ("false", "no", "0"), and ids are the same whether numbers or texts.

Annotations with a ``category_id`` need ``categories``. The categories called person, pedestrian, people or human are
people, or else the only category that has annotations; a category called ``person 7`` is person_id 7 (Label Studio
exports no attributes). Other categories are left out.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from personsearch.datasets.dataset import UNUSABLE, Dataset
from personsearch.datasets.formats.categories import number_of, people_categories
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.options import ReadOptions
from personsearch.datasets.formats.people import corners_in, people_of
from personsearch.datasets.formats.texts import is_file, json_object
from personsearch.datasets.formats.values import identity_of, is_number, key_of, short, whole, yes_no
from personsearch.datasets.scene import Query, Scene
from personsearch.errors import DatasetError

Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Person:
    """A row of the annotations that has passed every check so far."""

    row: str
    id: Any
    bbox: tuple[float, float, float, float]
    identity: int
    ignore: bool


@dataclass(frozen=True)
class CocoFile:
    """A file, as read.

    Attributes:
        path: the json file.
        scenes: one per usable image, in file order.
        labelled: annotation id -> (scene, box as in the file, identity), of people with a label.
    """

    path: Path
    scenes: tuple[Scene, ...]
    labelled: Mapping[Any, tuple[Scene, tuple[float, ...], int]]


def load_coco(source: Path, split: str, options: ReadOptions) -> Dataset:
    """Read a json file, or the file of a split in a folder with ``train.json``, ``test.json``, ``queries.json``.

    Args:
        source: the json file or the folder.
        split: name of the json file in a folder.
        options: ``images`` is the folder that ``file_name`` is relative to, by default the json file's own.
            ``queries`` is the file of the queries; by default every split but "train" has those of the
            ``queries.json`` beside it, if they all point into this file, as they must for a folder's test.json.
            ``people`` are the names of the categories that are people. No counts are published, so ``check_counts`` has
            no effect.

    Raises:
        DatasetError: the file or a row cannot be used, or an image is missing.
    """
    ledger = Ledger()
    path = source / f"{split}.json" if source.is_dir() else source
    file = read_coco(path, options.images, ledger, require_images=options.require_images, people=options.people)
    queries = _queries_of(file, split, options.queries, ledger)
    accounting = ledger.close(file.scenes, skip_bad=options.skip_bad)
    return Dataset(name=path.stem, scenes=file.scenes, queries=tuple(queries), accounting=accounting)


def _queries_of(file: CocoFile, split: str, queries: str | Path | None, ledger: Ledger) -> list[Query]:
    if queries is not None:
        return _read_queries(Path(queries), file, ledger)
    beside = file.path.parent / "queries.json"
    if split == "train" or not is_file(beside):
        return []
    if file.path.stem == "test" or _points_into(beside, file):
        return _read_queries(beside, file, ledger)
    return []


def read_coco(
    path: Path,
    images: str | Path | None,
    ledger: Ledger,
    *,
    require_images: bool = False,
    people: Sequence[str] | None = None,
) -> CocoFile:
    """Read a file; rows that cannot be used are noted in the ledger.

    Boxes are clipped to their image. An identity that occurs twice in one image keeps its first box; the others stay
    as people without a label.

    Args:
        path: the json file.
        images: folder that ``file_name`` is relative to; by default the json file's own.
        ledger: takes the account.
        require_images: a row whose image is missing cannot be used.
        people: names of the categories that are people; see :func:`personsearch.datasets.load_dataset`.

    Raises:
        DatasetError: the file as a whole cannot be used.
    """
    data = json_object(path)
    images_rows = _images(path, _rows(path, data, "images", ledger), ledger)
    rows = _people(path, data, images_rows, ledger, people)
    root = path.parent if images is None else Path(images)
    scenes: dict[str, Scene] = {}
    labelled: dict[Any, tuple[Scene, tuple[float, ...], int]] = {}
    for key, row in images_rows.items():
        try:
            if row is None:
                raise ProblemError(path, "every image needs an id of its own", f"images of id {key}")
            scene = _scene(path, root, row, rows[key], ledger, taken=scenes, require_images=require_images)
        except ProblemError as error:
            ledger.drop(UNUSABLE, len(rows[key]))
            ledger.note(error.problem)
            continue
        scenes[scene.image_id] = scene
        for person in rows[key]:
            if person.identity >= 0 and not person.ignore and person.id is not None and _inside(person.bbox, scene):
                labelled[key_of(person.id)] = (scene, person.bbox, person.identity)
    return CocoFile(path, tuple(scenes.values()), labelled)


def _read_queries(path: Path, file: CocoFile, ledger: Ledger) -> list[Query]:
    """Read ``{"queries": [{"annotation_id": ...}, ...]}``; rows that cannot be used are noted in the ledger."""
    queries = []
    for number, row in _rows(path, json_object(path), "queries", ledger):
        person = file.labelled.get(key_of(row.get("annotation_id")))
        if person is None or not _agrees(row, person[2]):
            ledger.bad_file(path, f"query {number} names no labelled annotation of {file.path}", f"queries[{number}]")
            continue
        scene, bbox, identity = person
        box = corners_in(np.array(bbox), (scene.width, scene.height))
        queries.append(Query(image_id=scene.image_id, box=box, identity=identity))
    return queries


def _points_into(path: Path, file: CocoFile) -> bool:
    """Whether every row of a query list names a labelled annotation of a file, and the right person if it names one."""
    rows = [row for _, row in _rows(path, json_object(path), "queries")]
    people = [file.labelled.get(key_of(row.get("annotation_id"))) for row in rows]
    return all(one is not None and _agrees(row, one[2]) for row, one in zip(rows, people, strict=True))


def _agrees(row: Row, identity: int) -> bool:
    try:
        return identity_of(row.get("person_id", identity)) == identity
    except ValueError:
        return False


def _rows(path: Path, data: Row, key: str, ledger: Ledger | None = None) -> list[tuple[int, Row]]:
    """Return the numbered rows of a list that are objects; others are noted in the ledger."""
    rows = data.get(key)
    if not isinstance(rows, list):
        raise DatasetError(f"{path}: has no list {key!r}, so it is not a COCO-style file")
    good: list[tuple[int, Row]] = []
    for number, row in enumerate(rows):
        if isinstance(row, dict):
            good.append((number, row))
        elif ledger is not None:
            ledger.bad_file(path, f"{key}[{number}] must be an object, not {type(row).__name__}")
    return good


def _images(path: Path, rows: Sequence[tuple[int, Row]], ledger: Ledger) -> dict[str, Row | None]:
    """Return image rows by id; None where two share an id, as it is unclear which of them annotations belong to."""
    images: dict[str, Row | None] = {}
    for number, row in rows:
        if row.get("id") is None:
            ledger.bad_file(path, "every image needs an id of its own", f"images[{number}]")
            continue
        key = key_of(row["id"])
        images[key] = None if key in images else row
    return images


def _people(
    path: Path, data: Row, images: Mapping[str, Row | None], ledger: Ledger, wanted: Sequence[str] | None
) -> dict[str, list[_Person]]:
    """Return the people of the annotations by image id."""
    annotations = _rows(path, data, "annotations", ledger)
    categories = _categories(path, data, annotations, ledger, wanted)
    people: dict[str, list[_Person]] = {key: [] for key in images}
    ledger.read(len(annotations))
    ids: set[str] = set()
    for number, row in annotations:
        where, image = f"annotations[{number}]", key_of(row.get("image_id"))
        try:
            if row.get("id") is not None:
                if key_of(row["id"]) in ids:
                    raise ValueError(f"annotation id {short(row['id'])} occurs twice; a query could mean either")
                ids.add(key_of(row["id"]))
            if image not in people:
                raise ValueError(f"names image {short(row.get('image_id'))}, which is not in the file")
            where = f"annotation {row.get('id')} of {(images[image] or row).get('file_name', image)}"
            person = _person(row, where, categories)
        except ValueError as error:
            ledger.bad_row(path, where, str(error))
            continue
        if isinstance(person, str):
            ledger.drop(person)
        else:
            people[image].append(person)
    return people


def _categories(
    path: Path, data: Row, annotations: Sequence[tuple[int, Row]], ledger: Ledger, wanted: Sequence[str] | None
) -> dict[str, int | str | None] | None:
    """Read the categories.

    Returns:
        By category id: a person_id, None = any person, or the name of something else. None if no annotation has one.
    """
    given = [key_of(row["category_id"]) for _, row in annotations if row.get("category_id") is not None]
    if not given:
        if wanted is not None and annotations:
            raise DatasetError(f"{path}: no annotation has a category_id; leave people (--people) out")
        return None
    names: dict[str, str] = {}
    for number, row in _rows(path, data, "categories", ledger):
        if row.get("id") is None or not isinstance(row.get("name"), str):
            ledger.bad_file(path, f"categories[{number}] needs an id and a name")
        elif key_of(row["id"]) in names:
            ledger.bad_file(path, f"categories[{number}]: the id {short(row['id'])} occurs twice")
        else:
            names[key_of(row["id"])] = row["name"].strip()
    counts = dict.fromkeys(names.values(), 0)
    for key, number in Counter(given).items():
        if key in names:
            counts[names[key]] += number
    people = people_categories(path, counts, wanted, ledger)
    return {key: number_of(name) if name in people else name for key, name in names.items()}


def _person(row: Row, where: str, categories: Mapping[str, int | str | None] | None) -> _Person | str:
    """Return the person of a row, or the rule that leaves the row out.

    Raises:
        ValueError: says why the row cannot be used.
    """
    attributes = row.get("attributes")
    more: Row = attributes if isinstance(attributes, dict) else {}
    category: int | str | None = None
    if categories is not None and row.get("category_id") is not None:
        key = key_of(row["category_id"])
        if key not in categories:
            raise ValueError(f"category_id {short(row['category_id'])} is not among the categories")
        category = categories[key]
        if isinstance(category, str):
            return f"category {category!r}"
    bbox = row.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(is_number(value) for value in bbox):
        raise ValueError(f"bbox must be four finite numbers [x, y, width, height], got {short(bbox)}")
    flags = [yes_no(part.get(key), key) for part, key in ((row, "ignore"), (more, "ignore"), (row, "iscrowd"))]
    given = [part[key] for part, key in ((row, "person_id"), (more, "person_id"), (more, "track_id")) if key in part]
    identity = identity_of(given[0] if given else category)
    return _Person(where, row.get("id"), (bbox[0], bbox[1], bbox[2], bbox[3]), identity, any(flags))


def _inside(bbox: tuple[float, ...], scene: Scene) -> bool:
    try:
        corners_in(np.array(bbox), (scene.width, scene.height))
    except ValueError:
        return False
    return True


def _side(value: Any) -> int:
    """Return a side in pixels; 0 if the value cannot be one."""
    side = whole(value)
    return side if side is not None and is_number(side) else 0


def _is_path(name: object) -> TypeGuard[str]:
    """Whether a file can have this name."""
    if not isinstance(name, str) or not name or "\0" in name:
        return False
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def _scene(
    path: Path,
    root: Path,
    row: Row,
    people: Sequence[_Person],
    ledger: Ledger,
    *,
    taken: Mapping[str, Scene],
    require_images: bool,
) -> Scene:
    name, width, height, time = (row.get(key) for key in ("file_name", "width", "height", "time"))
    where = f"image {row['id']}"
    for key in ("file_name", "width", "height"):
        if key not in row:
            raise ProblemError(path, f"has no {key!r}", where)
    if not _is_path(name):
        raise ProblemError(path, f"file_name must be a path, got {short(name)}", where)
    if name in taken:
        raise ProblemError(path, f"file_name {name!r} occurs more than once", where)
    size = (_side(width), _side(height))
    if min(size) < 1:
        raise ProblemError(
            path, f"width and height must be whole numbers above 0, got {short(width)}, {short(height)}", where
        )
    if time is not None and not is_number(time):
        raise ProblemError(path, f"time must be a number of seconds, got {short(time)}", where)
    image = root / name
    if "\\" in name and not is_file(image):
        image = root / name.replace("\\", "/")  # written on Windows
    if require_images and not is_file(image):
        raise ProblemError(path, f"no such image: {root / name}", where)
    boxes, identities, ignore, repeated = people_of(
        ledger,
        path,
        lambda number: people[number].row,
        np.array([person.bbox for person in people], dtype=np.float64).reshape(-1, 4),
        np.array([person.identity for person in people], dtype=np.int64),
        np.array([person.ignore for person in people], dtype=bool),
        size,
    )
    return Scene(
        image_id=name,
        path=image,
        width=size[0],
        height=size[1],
        camera=None if row.get("camera") is None else str(row["camera"]),
        time=None if time is None else float(time),
        place=None if row.get("scene") is None else str(row["scene"]),
        boxes=boxes,
        identities=identities,
        ignore=ignore,
        repeated=repeated,
    )
