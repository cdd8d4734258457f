"""Re-ID crops in Market-1501 naming: ``bounding_box_train/0002_c1s1_000451_03.jpg``, ``bounding_box_test``, ``query``.

Each crop is a scene whose only box is the whole image: step 1 of training reads them as it reads people cut from
scenes. The number before ``_c1`` is the person: 0000 is a distractor without a label, -1 a bad crop that counts
neither way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.people import image_size
from personsearch.datasets.scene import Query, Scene
from personsearch.errors import DatasetError

#: Folders by split. The second of the test split has the queries.
FOLDERS = {"train": ("bounding_box_train",), "test": ("bounding_box_test", "query")}

_NAME = re.compile(r"(-1|\d+)_c(\d+)")
_PICTURES = {".jpg", ".jpeg", ".png", ".bmp"}
_DISTRACTOR = 0


def load_market(
    source: str | Path,
    split: str = "test",
    *,
    images: str | Path | None = None,
    queries: str | Path | None = None,
    skip_bad: bool = False,
    check_counts: bool = True,
) -> Dataset:
    """Read a split. The queries of "test" are the crops of ``query``, which are scenes of the set too.

    Args:
        source: the set's folder.
        split: "train" or "test".
        images: must be None: the crops are the set.
        queries: must be None.
        skip_bad: pass over crops that cannot be read or have other names, and list them in the accounting.
        check_counts: no counts are checked; there for loaders to be alike.

    Raises:
        DatasetError: a crop cannot be used, or a folder is missing.
    """
    root, ledger = Path(source), Ledger()
    if split not in FOLDERS:
        raise DatasetError(f"{root}: split {split!r} is none of {', '.join(FOLDERS)}")
    if images is not None or queries is not None:
        raise DatasetError(f"{root}: sets of crops have their images and queries in folders of their own")
    scenes: list[Scene] = []
    asked: list[Query] = []
    for folder in FOLDERS[split]:
        if not (root / folder).is_dir():
            raise DatasetError(f"{root / folder}: no such folder; Market-1501's layout has it")
        read = list(_scenes(root, folder, ledger))
        scenes += read
        if folder == "query":
            asked = [
                Query(image_id=scene.image_id, box=scene.boxes[0], identity=int(scene.identities[0]))
                for scene in read
                if scene.identities[0] >= 0
            ]
    accounting = ledger.close(scenes, skip_bad=skip_bad)
    name = f"{root.resolve().name}/{split}"
    return Dataset(name=name, scenes=tuple(scenes), queries=tuple(asked), accounting=accounting)


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
            width, height = image_size(path)
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
