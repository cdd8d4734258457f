from pathlib import Path

import pytest

from personsearch.datasets.scene import require_images
from personsearch.errors import DatasetError
from tests.datasets.scenes import scene_of


def test_missing_images_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    scenes = [scene_of(name, tmp_path) for name in ("a.jpg", "b.jpg")]
    (tmp_path / "a.jpg").touch()
    with pytest.raises(DatasetError, match=r"b\.jpg: no such image; 1 of 2 are missing"):
        require_images(scenes)
    (tmp_path / "b.jpg").touch()
    require_images(scenes)
