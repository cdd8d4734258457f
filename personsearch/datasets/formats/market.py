"""Re-ID crops named as in Market-1501, e.g. ``bounding_box_train/0002_c1s1_000451_03.jpg``.

Each crop is a scene whose only box is the whole image, so step 1 of training reads crops as it reads people cut out of
scenes. The number before ``_c1`` is the person, or else the number that names the crop's folder (``0002/c1_17.jpg``).
-1 is a bad crop that counts neither way. 0000 is a distractor without a label: Market has them in ``bounding_box_test``
alone. If another folder has a 0000, too, people are numbered from 0, and it is a person like all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.options import ReadOptions, check_split, refuse_people
from personsearch.datasets.formats.people import scene_size
from personsearch.datasets.formats.texts import children_of, is_picture
from personsearch.datasets.formats.values import LARGEST
from personsearch.datasets.scene import Query, Scene
from personsearch.errors import DatasetError

#: Split -> folders. The second of the test split has the queries.
FOLDERS = {"train": ("bounding_box_train",), "test": ("bounding_box_test", "query")}

_NAME = re.compile(r"(-1|[0-9]{1,40})_c(?:am)?([0-9]{1,40})", re.IGNORECASE)
_PERSON = re.compile(r"-1|[0-9]{1,40}")
_CAMERA = re.compile(r"(?:^|[_-])c(?:am)?([0-9]{1,40})", re.IGNORECASE)
_DISTRACTOR, _JUNK = 0, -1
_EXPECTED = "name crops by person and camera, as in 0002_c1s1_000451_03.jpg, or 0002/c1_000451.jpg"


def load_market(source: Path, split: str, options: ReadOptions) -> Dataset:
    """Read a split. The queries of "test" are the crops of ``query``, which are scenes of the set, too.

    Args:
        source: the set's folder.
        split: "train" or "test".
        options: ``images`` and ``queries`` must be None, because the crops are the set; so must ``people``. No counts
            are published, so ``check_counts`` has no effect.

    Raises:
        DatasetError: a crop cannot be used, or a folder is missing.
    """
    if options.images is not None or options.queries is not None:
        raise DatasetError(f"{source}: a set of crops has its images and queries in its own folders; leave both out")
    check_split(source, split, options)
    refuse_people(source, options)
    ledger = Ledger()
    scenes: list[Scene] = []
    queries: list[Query] = []
    from_zero = _numbered_from_zero(source)
    for folder in FOLDERS[split]:
        if not (source / folder).is_dir():
            raise DatasetError(f"{source / folder}: no such folder, which Market-1501's layout has")
        crops = list(_scenes(source, folder, from_zero, ledger))
        scenes += crops
        if folder == "query":
            queries = [
                Query(image_id=scene.image_id, box=scene.boxes[0], identity=int(scene.identities[0]))
                for scene in crops
                if scene.identities[0] >= 0
            ]
    accounting = ledger.close(scenes, skip_bad=options.skip_bad)
    name = f"{source.resolve().name}/{split}"
    return Dataset(name=name, scenes=tuple(scenes), queries=tuple(queries), accounting=accounting, crops=True)


def _files(root: Path, folder: str) -> Iterator[Path]:
    """Yield the files of a folder, and those of a folder per person below it."""
    for path in children_of(root / folder):
        if path.is_dir():
            yield from children_of(path)
        else:
            yield path


def _numbered_from_zero(root: Path) -> bool:
    """Whether 0000 is a person: where Market has no distractors, there is a crop of that number."""
    for folder in ("bounding_box_train", "query"):
        for path in _files(root, folder):
            if not is_picture(path):
                continue
            try:
                if _person_and_camera(path, root / folder)[0] == _DISTRACTOR:
                    return True
            except ValueError:
                continue
    return False


def _person_and_camera(path: Path, folder: Path) -> tuple[int, int | None]:
    """Return who a crop shows, and its camera, if the name has one.

    Raises:
        ValueError: says why its name does not tell.
    """
    match, camera = _NAME.match(path.name), None
    if path.parent == folder:
        if match is None:
            raise ValueError(f"its name does not begin with person and camera; {_EXPECTED}")
        person, camera = int(match.group(1)), int(match.group(2))
    else:
        if _PERSON.fullmatch(path.parent.name) is None:
            raise ValueError(f"the name of its folder is not the number of a person; {_EXPECTED}")
        person = int(path.parent.name)
        if match is not None and int(match.group(1)) != person:
            raise ValueError(f"its name says person {match.group(1)}, its folder {path.parent.name}; correct one")
        found = _CAMERA.search(path.stem)
        if found is not None:
            camera = int(found.group(1))
    if person > LARGEST:
        raise ValueError(f"the person's number {person} is too large; number people from 1")
    return person, camera


def _scenes(root: Path, folder: str, from_zero: bool, ledger: Ledger) -> Iterator[Scene]:
    for path in _files(root, folder):
        ledger.read(1)
        if not is_picture(path):
            ledger.drop(f"not a picture ({path.suffix or path.name})")
            continue
        try:
            person, camera = _person_and_camera(path, root / folder)
            width, height = scene_size(path)
        except ValueError as error:
            ledger.bad_row(path, "", str(error))
            continue
        except ProblemError as error:
            ledger.bad_row(path, "", error.problem.what)
            continue
        distractor = person == _DISTRACTOR and not from_zero
        if distractor:
            ledger.change("0000 is Market's number of distractors: kept without a label")
        elif person == _DISTRACTOR:
            ledger.change("0000 taken for a person, as bounding_box_train or query has it, too")
        elif person == _JUNK:
            ledger.change("-1 is Market's number of bad crops: ignored")
        yield Scene(
            image_id=path.relative_to(root).as_posix(),
            path=path,
            width=width,
            height=height,
            camera=None if camera is None else f"c{camera}",
            time=None,
            place=None,
            boxes=np.array([[0, 0, width, height]], dtype=np.float32),
            identities=np.array([-1 if distractor else person], dtype=np.int64),
            ignore=np.array([person == _JUNK]),
        )
