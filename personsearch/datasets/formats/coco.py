"""COCO-style annotations with a ``person_id``: the format for users' own data, and what annotation tools export.

Beyond COCO's fields an image may have ``camera``, ``time`` (seconds) and ``scene`` (the place), and an annotation
``person_id`` (-1 or absent = without a label) and ``ignore``. ``iscrowd`` 1 counts as ``ignore``. ``person_id`` and
``ignore`` may also be in ``attributes``, where CVAT writes them; without a ``person_id``, ``attributes.track_id`` is
the identity.

Annotations with a ``category_id`` need ``categories``. The categories called person, pedestrian, people or human are
people, or else the only category there is; a category called ``person 7`` is person_id 7 (Label Studio exports no
attributes). Other categories are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.options import ReadOptions
from personsearch.datasets.formats.people import corners_in, people_of
from personsearch.datasets.scene import Query, Scene
from personsearch.errors import DatasetError

Row = Mapping[str, Any]

_PEOPLE = {"person", "persons", "people", "pedestrian", "pedestrians", "human"}
_ONE_PERSON = re.compile(r"person[ _-]?(\d+)$", re.IGNORECASE)


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
            No counts are published, so ``check_counts`` has no effect.

    Raises:
        DatasetError: the file or a row cannot be used, or an image is missing.
    """
    ledger = Ledger()
    path = source / f"{split}.json" if source.is_dir() else source
    file = read_coco(path, options.images, ledger, require_images=options.require_images)
    queries = _queries_of(file, split, options.queries, ledger)
    accounting = ledger.close(file.scenes, skip_bad=options.skip_bad)
    return Dataset(name=path.stem, scenes=file.scenes, queries=tuple(queries), accounting=accounting)


def _queries_of(file: CocoFile, split: str, queries: str | Path | None, ledger: Ledger) -> list[Query]:
    if queries is not None:
        return _read_queries(Path(queries), file, ledger)
    beside = file.path.parent / "queries.json"
    if split == "train" or not beside.is_file():
        return []
    if file.path.stem == "test" or _points_into(beside, file):
        return _read_queries(beside, file, ledger)
    return []


def read_coco(path: Path, images: str | Path | None, ledger: Ledger, *, require_images: bool = False) -> CocoFile:
    """Read a file; rows that cannot be used are noted in the ledger.

    Boxes are clipped to their image. An identity that occurs twice in one image keeps its first box; the others stay
    as people without a label.

    Args:
        path: the json file.
        images: folder that ``file_name`` is relative to; by default the json file's own.
        ledger: takes the account.
        require_images: a row whose image is missing cannot be used.

    Raises:
        DatasetError: the file as a whole cannot be used.
    """
    data = _read(path)
    images_rows = _images(path, _rows(path, data, "images", ledger), ledger)
    people = _people(path, data, images_rows, ledger)
    root = path.parent if images is None else Path(images)
    scenes: dict[str, Scene] = {}
    labelled: dict[Any, tuple[Scene, tuple[float, ...], int]] = {}
    for key, row in images_rows.items():
        try:
            if row is None:
                raise ProblemError(path, "every image needs an id of its own", f"images of id {key}")
            scene = _scene(path, root, row, people[key], ledger, taken=scenes, require_images=require_images)
        except ProblemError as error:
            ledger.drop("image cannot be used", len(people[key]))
            ledger.note(error.problem)
            continue
        scenes[scene.image_id] = scene
        for person in people[key]:
            if person.identity >= 0 and person.id is not None and _inside(person.bbox, scene):
                labelled[repr(person.id)] = (scene, person.bbox, person.identity)
    return CocoFile(path, tuple(scenes.values()), labelled)


def _read_queries(path: Path, file: CocoFile, ledger: Ledger) -> list[Query]:
    """Read ``{"queries": [{"annotation_id": ...}, ...]}``; rows that cannot be used are noted in the ledger."""
    queries = []
    for number, row in _rows(path, _read(path), "queries", ledger):
        person = file.labelled.get(repr(row.get("annotation_id")))
        if person is None or not _agrees(row, person[2]):
            ledger.bad_file(path, f"query {number} names no labelled annotation of {file.path}", f"queries[{number}]")
            continue
        scene, bbox, identity = person
        box = corners_in(np.array(bbox), (scene.width, scene.height))
        queries.append(Query(image_id=scene.image_id, box=box, identity=identity))
    return queries


def _points_into(path: Path, file: CocoFile) -> bool:
    """Whether every row of a query list names a labelled annotation of a file, and the right person if it names one."""
    rows = [row for _, row in _rows(path, _read(path), "queries")]
    people = [file.labelled.get(repr(row.get("annotation_id"))) for row in rows]
    return all(one is not None and _agrees(row, one[2]) for row, one in zip(rows, people, strict=True))


def _agrees(row: Row, identity: int) -> bool:
    return bool(row.get("person_id", identity) == identity)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror}); give the json file of the annotations"
        ) from None
    except ValueError as error:
        raise DatasetError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise DatasetError(f"{path}: must hold a JSON object, not {type(data).__name__}")
    return data


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
        if "id" not in row:
            ledger.bad_file(path, "every image needs an id of its own", f"images[{number}]")
            continue
        key = repr(row["id"])
        images[key] = None if key in images else row
    return images


def _people(path: Path, data: Row, images: Mapping[str, Row | None], ledger: Ledger) -> dict[str, list[_Person]]:
    """Return the people of the annotations by image id."""
    annotations = _rows(path, data, "annotations", ledger)
    categories = _categories(path, data, annotations, ledger)
    people: dict[str, list[_Person]] = {key: [] for key in images}
    ledger.read(len(annotations))
    ids: set[str] = set()
    for number, row in annotations:
        where, image = f"annotations[{number}]", repr(row.get("image_id"))
        try:
            if "id" in row and repr(row["id"]) in ids:
                raise ValueError(f"annotation id {row['id']!r} occurs twice; a query could not say which it means")
            ids.add(repr(row.get("id")))
            if image not in people:
                raise ValueError(f"names image {row.get('image_id')!r}, which is not in the file")
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
    path: Path, data: Row, annotations: Sequence[tuple[int, Row]], ledger: Ledger
) -> dict[str, int | str | None] | None:
    """Read the categories.

    Returns:
        By category id: a person_id, None = any person, or the name of something else. None if no annotation has one.
    """
    if not any("category_id" in row for _, row in annotations):
        return None
    names: dict[str, str] = {}
    for number, row in _rows(path, data, "categories", ledger):
        if "id" in row and isinstance(row.get("name"), str):
            names[repr(row["id"])] = row["name"].strip()
        else:
            ledger.bad_file(path, f"categories[{number}] needs an id and a name")
    people: dict[str, int | str | None] = dict(names)
    for key, name in names.items():
        one = _ONE_PERSON.match(name)
        if one is not None:
            people[key] = int(one.group(1))
        elif name.lower() in _PEOPLE or len(names) == 1:
            people[key] = None
    if names and all(isinstance(value, str) for value in people.values()):
        raise DatasetError(
            f"{path}: none of the categories {', '.join(names.values())} is called person; rename the one that is"
        )
    return people


def _person(row: Row, where: str, categories: Mapping[str, int | str | None] | None) -> _Person | str:
    """Return the person of a row, or the rule that leaves the row out.

    Raises:
        ValueError: says why the row cannot be used.
    """
    attributes = row.get("attributes")
    more: Row = attributes if isinstance(attributes, dict) else {}
    category: int | str | None = None
    if categories is not None and "category_id" in row:
        if repr(row["category_id"]) not in categories:
            raise ValueError(f"category_id {row['category_id']!r} is not among the categories")
        category = categories[repr(row["category_id"])]
        if isinstance(category, str):
            return f"category {category!r}"
    bbox = row.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(_is_number(value) for value in bbox):
        raise ValueError(f"bbox must be four finite numbers [x, y, width, height], got {bbox!r}")
    ignore = any(bool(part.get(key)) for part, key in ((row, "ignore"), (more, "ignore"), (row, "iscrowd")))
    given = [part[key] for part, key in ((row, "person_id"), (more, "person_id"), (more, "track_id")) if key in part]
    identity = _identity(given[0] if given else category)
    return _Person(where, row.get("id"), (bbox[0], bbox[1], bbox[2], bbox[3]), -1 if ignore else identity, ignore)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _identity(value: object) -> int:
    """Read a person_id; CVAT's attributes are strings, empty where nobody typed anything."""
    if value is None or value == "":
        return -1
    try:
        identity = int(value) if isinstance(value, str) else value
    except ValueError:
        identity = value
    if isinstance(identity, float) and identity.is_integer():
        identity = int(identity)
    if not isinstance(identity, int) or isinstance(identity, bool):
        raise ValueError(f"person_id must be a whole number, got {value!r}")  # noqa: TRY004 - like its neighbours
    if identity < -1:
        raise ValueError(f"person_id must be -1 or more (-1 = a person without a label), got {identity}")
    return identity


def _inside(bbox: tuple[float, ...], scene: Scene) -> bool:
    try:
        corners_in(np.array(bbox), (scene.width, scene.height))
    except ValueError:
        return False
    return True


def _side(value: Any) -> int:
    """Return a side in pixels; 0 if the value cannot be one."""
    return int(value) if _is_number(value) and value == int(value) else 0


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
    if not isinstance(name, str) or not name:
        raise ProblemError(path, f"file_name must be a path, got {name!r}", where)
    if name in taken:
        raise ProblemError(path, f"file_name {name!r} occurs more than once", where)
    size = (_side(width), _side(height))
    if min(size) < 1:
        raise ProblemError(path, f"width and height must be whole numbers above 0, got {width!r}, {height!r}", where)
    if time is not None and not _is_number(time):
        raise ProblemError(path, f"time must be a number of seconds, got {time!r}", where)
    if require_images and not (root / name).is_file():
        raise ProblemError(path, f"no such image: {root / name}", where)
    boxes, identities, ignore = people_of(
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
        path=root / name,
        width=size[0],
        height=size[1],
        camera=None if row.get("camera") is None else str(row["camera"]),
        time=None if time is None else float(time),
        place=None if row.get("scene") is None else str(row["scene"]),
        boxes=boxes,
        identities=identities,
        ignore=ignore,
    )
