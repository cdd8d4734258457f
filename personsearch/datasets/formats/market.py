"""Re-ID crops named as in Market-1501, e.g. ``bounding_box_train/0002_c1s1_000451_03.jpg``.

Each crop is a scene whose only box is the whole image, so step 1 of training reads crops as it reads people cut out of
scenes. The number before ``_c1`` is the person; 0000 is a distractor without a label, -1 a bad crop that counts neither
way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.options import ReadOptions, check_split
from personsearch.datasets.formats.people import scene_size
from personsearch.datasets.scene import Query, Scene
from personsearch.errors import DatasetError

#: Split -> folders. The second of the test split has the queries.
FOLDERS = {"train": ("bounding_box_train",), "test": ("bounding_box_test", "query")}

_NAME = re.compile(r"(-1|\d+)_c(\d+)")
_PICTURES = {".jpg", ".jpeg", ".png", ".bmp"}
_DISTRACTOR = 0


def load_market(source: Path, split: str, options: ReadOptions) -> Dataset:
    """Read a split. The queries of "test" are the crops of ``query``, which are scenes of the set, too.

    Args:
        source: the set's folder.
        split: "train" or "test".
        options: ``images`` and ``queries`` must be None, because the crops are the set. No counts are published, so
            ``check_counts`` has no effect.

    Raises:
        DatasetError: a crop cannot be used, or a folder is missing.
    """
    if options.images is not None or options.queries is not None:
        raise DatasetError(f"{source}: a set of crops has its images and queries in its own folders; leave both out")
    check_split(source, split, options)
    ledger = Ledger()
    scenes: list[Scene] = []
    queries: list[Query] = []
    for folder in FOLDERS[split]:
        if not (source / folder).is_dir():
            raise DatasetError(f"{source / folder}: no such folder, which Market-1501's layout has")
        crops = list(_scenes(source, folder, ledger))
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


def _scenes(root: Path, folder: str, ledger: Ledger) -> Iterator[Scene]:
    for path in sorted((root / folder).iterdir()):
        ledger.read(1)
        if path.suffix.lower() not in _PICTURES:
            ledger.drop(f"not a picture ({path.suffix or path.name})")
            continue
        match = _NAME.match(path.name)
        if match is None:
            ledger.bad_row(path, "", "its name does not begin with person and camera, as in 0002_c1s1_000451_03.jpg")
            continue
        try:
            width, height = scene_size(path)
        except ProblemError as error:
            ledger.bad_row(path, "", error.problem.what)
            continue
        person = int(match.group(1))
        yield Scene(
            image_id=f"{folder}/{path.name}",
            path=path,
            width=width,
            height=height,
            camera=f"c{int(match.group(2))}",
            time=None,
            place=None,
            boxes=np.array([[0, 0, width, height]], dtype=np.float32),
            identities=np.array([-1 if person == _DISTRACTOR else person], dtype=np.int64),
            ignore=np.array([person < 0]),
        )
