"""Indexing into a store that is written to in batches, as engines are."""

from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery, PersonSearcher
from personsearch.errors import GalleryError
from personsearch.gallery.stores.shared import SharedStore
from tests.gallery.stores.memory import MemoryEngine
from tests.support import toy_scene, video


def opened(engine: MemoryEngine, searcher: PersonSearcher) -> Gallery:
    return Gallery(SharedStore(engine, write=True, create=searcher.spec))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(9):
        toy_scene([(number % 3, 10, 10), (2, 60, 12)], 120, 90, seed=number).save(folder / f"{number}.png")
    return folder


def test_batches_hold_what_single_scenes_do(tiny_searcher: PersonSearcher, photos: Path, tmp_path: Path) -> None:
    (photos / "5.png").write_bytes(b"no picture")
    engine = MemoryEngine()
    gallery = opened(engine, tiny_searcher)
    report = tiny_searcher.index(photos, gallery, cameras={"3.png": "door"})
    alone = tiny_searcher.index(photos, tmp_path / "g", cameras={"3.png": "door"})
    assert (report.added, report.people, [name for name, _ in report.failed]) == (8, alone.people, ["5.png"])
    with Gallery.open(tmp_path / "g", mode="r") as folder:
        for one, other in zip(
            sorted(gallery.everything(), key=lambda one: one.image_id), folder.everything(), strict=True
        ):
            assert (one.image_id, one.camera, one.extra) == (other.image_id, other.camera, other.extra)
            assert np.array_equal(one.detections.boxes, other.detections.boxes)
            assert np.array_equal(one.detections.embeddings, other.detections.embeddings)
    again = tiny_searcher.index(photos, gallery, cameras={"4.png": "yard"})
    assert (again.added, again.skipped, again.labelled) == (0, 8, 1)
    assert gallery.scene("4.png").camera == "yard"


def test_of_a_batch_only_what_differs_is_refused(tiny_searcher: PersonSearcher, photos: Path) -> None:
    gallery = opened(MemoryEngine(), tiny_searcher)
    tiny_searcher.index({"1.png": photos / "0.png"}, gallery)
    report = tiny_searcher.index(photos, gallery)
    assert (report.added, [name for name, _ in report.failed]) == (8, ["1.png"])
    assert tiny_searcher.index(photos, gallery, replace=True).added == 1
    assert tiny_searcher.index(photos, gallery).skipped == 9


def test_what_another_process_added_meanwhile_is_refused_alone(
    tiny_searcher: PersonSearcher, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = MemoryEngine()
    gallery = opened(engine, tiny_searcher)
    look = Gallery.stored

    def stored(self: Gallery, image_ids: list[str]) -> dict:
        found = look(self, image_ids)
        other = opened(engine, tiny_searcher)
        if "1.png" not in other:
            other.add("1.png", tiny_searcher.detect(photos / "0.png"), extra={"sha256": "other"})
        return found

    monkeypatch.setattr(Gallery, "stored", stored)
    report = tiny_searcher.index(photos, gallery)
    assert (report.added, [name for name, _ in report.failed]) == (8, ["1.png"])


def test_frames_of_a_video_come_in_batches(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", frames=10)
    engine = MemoryEngine()
    gallery = opened(engine, tiny_searcher)
    assert tiny_searcher.index(clip, gallery).added == 10
    assert tiny_searcher.index(clip, gallery).skipped == 10
    assert tiny_searcher.index([clip, clip], gallery).complete
    with pytest.raises(GalleryError, match="only a gallery in a folder has tracks"):
        tiny_searcher.index(clip, gallery, tracks=True)
