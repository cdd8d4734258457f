"""Looking a scene up, and giving it another camera or time."""

from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery
from personsearch.errors import GalleryError, GalleryMismatchError
from tests.gallery.toy import people, spec


def test_a_scene_is_found_by_its_name(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g", spec()) as gallery:
        gallery.add("a.jpg", people(3, 1), camera="door", time=2.5, extra={"path": "/x/a.jpg"})
        scene = gallery.scene("a.jpg")
        assert scene is not None
        assert (scene.camera, scene.time, scene.image_size) == ("door", 2.5, (100, 200))
        assert scene.extra == {"path": "/x/a.jpg"}
        assert gallery.scene("b.jpg") is None


def test_names_with_a_prefix(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g", spec()) as gallery:
        for name in ("b.mp4#t=1.000", "b.mp4", "a.jpg", "b.mp4#t=0.000", "b.mp5", "ü.jpg"):
            gallery.add(name, people(1, 1))
        assert gallery.image_ids("b.mp4#t=") == ["b.mp4#t=1.000", "b.mp4#t=0.000"]
        assert gallery.image_ids("ü") == ["ü.jpg"]
        assert gallery.image_ids("nothing") == []
        assert len(gallery.image_ids()) == 6


def test_another_camera_and_time_are_stored_and_found(tmp_path: Path) -> None:
    probe = people(3, 1).embeddings[0]
    with Gallery.open(tmp_path / "g", spec()) as gallery:
        gallery.add("a.jpg", people(3, 1), time=5.0)
        gallery.add("b.jpg", people(2, 2), camera="door", time=7.0)
        [before] = gallery.search(probe, k=1)
        with Gallery.open(tmp_path / "g", mode="r") as reader:  # has read the scenes before they change
            assert reader.search(probe, k=1, cameras=["yard"]) == []
            assert gallery.label("a.jpg", camera="yard")
            assert gallery.label("a.jpg", time=9.0)
            assert not gallery.label("a.jpg", camera="yard", time=9.0)
            assert not gallery.label("a.jpg")
            for one in (gallery, reader):
                [match] = one.search(probe, k=1, cameras=["yard"], since=8)
                assert (match.image_id, match.camera, match.time) == ("a.jpg", "yard", 9.0)
                assert (match.detection_id, match.box) == (before.detection_id, before.box)
                assert len(one.search(probe, k=9)) == 5
                assert len(one.search(probe, k=9, until=8)) == 2
        assert gallery.check() == []
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.check() == []
        scene = gallery.scene("a.jpg")
        assert scene is not None
        assert (scene.camera, scene.time) == ("yard", 9.0)
        assert not gallery.add("a.jpg", people(3, 1), camera="yard", time=9.0)  # the same content as is stored now
        with pytest.raises(GalleryMismatchError):
            gallery.add("a.jpg", people(3, 1), time=5.0)


def test_a_scene_without_people_is_labelled_too(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g", spec()) as gallery:
        gallery.add("a.jpg", people(0, 1))
        assert gallery.label("a.jpg", camera="yard")
        assert gallery.check() == []


def test_labels_that_cannot_be_given(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g", spec()) as gallery:
        gallery.add("a.jpg", people(3, 1))
        with pytest.raises(GalleryError, match=r"no image 'b\.jpg' is stored here"):
            gallery.label("b.jpg", camera="yard")
        with pytest.raises(GalleryError, match="time must be a finite number of seconds, got nan"):
            gallery.label("a.jpg", time=float("nan"))
        with pytest.raises(GalleryError, match="camera must be a string"):
            gallery.label("a.jpg", camera=3)  # type: ignore[arg-type]
    with Gallery.open(tmp_path / "g", mode="r") as gallery, pytest.raises(GalleryError, match="reading only"):
        gallery.label("a.jpg", camera="yard")


def test_labelled_scenes_are_rescued(tmp_path: Path) -> None:
    from personsearch.gallery import rescue

    with Gallery.open(tmp_path / "g", spec()) as gallery:
        gallery.add("a.jpg", people(3, 1))
        gallery.label("a.jpg", camera="yard")
        vector = gallery.embedding(1)
    assert rescue(tmp_path / "g", tmp_path / "new").saved == 1
    with Gallery.open(tmp_path / "new", mode="r") as saved:
        scene = saved.scene("a.jpg")
        assert scene is not None
        assert scene.camera == "yard"
        assert np.array_equal(saved.embedding(1), vector)


def test_a_clash_of_contents_says_what_both_are(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g", spec()) as gallery:
        gallery.add("a.jpg", people(3, 1), camera="door", extra={"path": "/cam1/a.jpg"})
        with pytest.raises(GalleryMismatchError) as caught:
            gallery.add("a.jpg", people(1, 2), time=4.0, extra={"path": "/cam2/a.jpg"})
    said = str(caught.value)
    assert "Stored: 200x100, 3 people, camera door, from /cam1/a.jpg" in said
    assert "given: 200x100, 1 person, time 4, from /cam2/a.jpg" in said
