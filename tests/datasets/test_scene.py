from pathlib import Path

import numpy as np
import pytest

from personsearch.datasets.scene import Scene, require_images
from personsearch.errors import DatasetError


def scene(path: Path) -> Scene:
    return Scene(
        image_id=path.name,
        path=path,
        width=4,
        height=4,
        camera=None,
        time=None,
        place=None,
        boxes=np.zeros((0, 4), np.float32),
        identities=np.zeros(0, np.int64),
        ignore=np.zeros(0, bool),
    )


def test_missing_images_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    scenes = [scene(tmp_path / name) for name in ("a.jpg", "b.jpg")]
    (tmp_path / "a.jpg").touch()
    with pytest.raises(DatasetError, match=r"b\.jpg: no such image; 1 of 2 are missing"):
        require_images(scenes)
    (tmp_path / "b.jpg").touch()
    require_images(scenes)
