"""A small gallery of toy scenes and a toy video, and services of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import torch

from personsearch import Gallery, PersonSearcher
from personsearch.models import ModelConfig, build
from personsearch.serve import create_app
from tests.serve.support import PEOPLE, Served, running
from tests.support import toy_scene, video
from tests.toy_calibration import calibration


@pytest.fixture(scope="session")
def tiny(tiny_config: ModelConfig) -> PersonSearcher:
    """Weights that find five people in anything, with a calibration."""
    torch.manual_seed(0)
    searcher = PersonSearcher(build(tiny_config), device="cpu")
    searcher.calibration = replace(calibration(), weights=searcher.spec.fingerprint)
    return searcher


@pytest.fixture(scope="session")
def home(tiny: PersonSearcher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files and the gallery that was made of them; nobody changes it."""
    folder = tmp_path_factory.mktemp("serve")
    (folder / "files").mkdir()
    for number in range(4):
        toy_scene(PEOPLE, seed=number).save(folder / "files" / f"{number}.png")
    video(folder / "files" / "clip.mp4", frames=12)
    names = [f"{number}.png" for number in range(4)]
    with Gallery.open(folder / "gallery", tiny.spec, calibration=tiny.calibration) as gallery:
        tiny.index(
            {name: folder / "files" / name for name in names},
            gallery,
            cameras={"0.png": "door", "1.png": "door", "2.png": "yard"},
            times={name: 100.0 * number for number, name in enumerate(names)},
        )
        tiny.index(folder / "files" / "clip.mp4", gallery, every=6, cameras={"clip.mp4": "gate"})
        gallery.people.group(min_similarity=0.9)
    return folder


@pytest.fixture(scope="session")
def client(tiny: PersonSearcher, home: Path) -> Iterator[httpx.Client]:
    """A service that only reads the gallery of :func:`home`."""
    with running(create_app(home / "gallery", tiny, read_only=True, example=b"a picture")) as client:
        yield client


@pytest.fixture
def served(tiny: PersonSearcher, home: Path, tmp_path: Path) -> Iterator[Served]:
    """A service of a copy of that gallery, which keeps pictures."""
    shutil.copytree(home / "gallery", tmp_path / "gallery")
    app = create_app(tmp_path / "gallery", tiny, pictures=tmp_path / "kept")
    with running(app) as client:
        yield Served(client, app, tmp_path / "gallery", home / "files")
