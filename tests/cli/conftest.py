"""Weights and photographs for the commands that need both."""

from pathlib import Path

import pytest

from personsearch import PersonSearcher
from tests.support import toy_scene

PEOPLE = [(0, 10, 10), (1, 60, 20), (2, 115, 8)]


@pytest.fixture
def weights(tiny_searcher: PersonSearcher, tmp_path: Path) -> Path:
    return tiny_searcher.save_pretrained(tmp_path / "weights")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(3):
        toy_scene(PEOPLE, seed=n).save(folder / f"{n}.png")
    return folder
