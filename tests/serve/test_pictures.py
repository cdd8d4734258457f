"""Crops and scenes: the right pixels, of what is there and unchanged, and nothing of who was erased."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from personsearch import Gallery, PersonSearcher
from personsearch.pictures.matches import scene_loaders
from personsearch.pictures.saving import jpeg_bytes
from personsearch.results import Sighting
from personsearch.serve import create_app
from personsearch.serve.crops import QUALITY, Crops, cut_out
from personsearch.serve.faults import Refused
from tests.serve.support import Served, error_of, running, scene_png
from tests.support import toy_scene


def opened(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    return Image.open(io.BytesIO(answer.content))


def sighting(number: int, image_id: str = "a.png", path: Path | None = None) -> Sighting:
    extra = {} if path is None else {"path": str(path), "sha256": "0" * 64}
    return Sighting(detection_id=number, image_id=image_id, box=(10, 10, 30, 60), score=0.9, extra=extra)


def test_a_crop_shows_the_person_of_the_box(client: httpx.Client, home: Path) -> None:
    one = client.get("/api/detections/1").json()
    assert one["image_id"] == "0.png"
    answer = client.get(one["crop"])
    expected = cut_out(Image.open(home / "files" / "0.png").convert("RGB"), tuple(one["box"]), 256)
    assert opened(answer).size == expected.size
    assert answer.content == jpeg_bytes(expected, QUALITY)


def test_a_crop_is_as_high_as_asked_and_never_magnified() -> None:
    scene = Image.new("RGB", (400, 1200))
    assert cut_out(scene, (100, 100, 300, 1100), 256).size == (73, 256)  # 320 x 1120 with its margins of 60
    assert cut_out(scene, (100, 100, 120, 150), 256).size == (26, 56)  # 20 x 50 with margins of 3
    assert cut_out(scene, (0, 0, 400, 1200), 64).size == (21, 64)
    assert cut_out(scene, (390, 1190, 500, 1300), 256).size == (17, 17)  # reaches out of the scene, margin 7
    assert cut_out(scene, (500, 1300, 600, 1400), 256).size == (1, 1)  # lies outside of it


def test_the_whole_scene_with_its_own_size(client: httpx.Client) -> None:
    answer = client.get("/api/detections/1/scene.jpg?width=80")
    assert opened(answer).size == (80, 48)
    assert (answer.headers["x-scene-width"], answer.headers["x-scene-height"]) == ("160", "96")
    assert opened(client.get("/api/detections/1/scene.jpg")).size == (160, 96)


def test_everybody_in_the_scene_of_somebody(client: httpx.Client) -> None:
    scene = client.get("/api/detections/1/scene").json()
    [listed] = [one for one in client.get("/api/scenes").json()["scenes"] if one["image_id"] == scene["image_id"]]
    assert scene == listed
    assert 1 in [one["detection_id"] for one in scene["people"]]
    assert client.get("/api/detections/999/scene").status_code == 404


def test_frames_of_a_video(client: httpx.Client) -> None:
    scenes = client.get("/api/scenes", params={"camera": "gate"}).json()["scenes"]
    assert [one["image_id"] for one in scenes] == ["clip.mp4#t=0.600", "clip.mp4#t=0.000"]
    for scene, grey in zip(scenes, (60, 0), strict=True):
        picture = opened(client.get(scene["people"][0]["scene"]))
        assert picture.size == (64, 48)
        assert abs(np.asarray(picture).mean() - grey) < 8
        assert opened(client.get(scene["people"][0]["crop"])).size[1] <= 48


def test_browsers_keep_pictures_for_themselves_and_ask_again(client: httpx.Client) -> None:
    answer = client.get("/api/detections/1/crop.jpg")
    assert answer.headers["cache-control"] == "private, max-age=60"
    again = client.get("/api/detections/1/crop.jpg", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-content-type-options"] == "nosniff"
    other = client.get("/api/detections/2/crop.jpg", headers={"If-None-Match": answer.headers["etag"]})
    assert other.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/detections/999",
        "/api/detections/999/crop.jpg",
        "/api/detections/999/scene.jpg",
    ],
)
def test_nobody_has_this_number(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert error_of(answer) == "there is no detection 999 here; it may have been erased"


@pytest.mark.parametrize(
    "path",
    ["/api/detections/0", "/api/detections/x/crop.jpg", "/api/detections/1/crop.jpg?height=63"]
    + ["/api/detections/1/crop.jpg?height=9999", f"/api/detections/{2**64}", "/api/detections/1/scene.jpg?width=1"],
)
def test_numbers_are_bounded(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    error_of(answer)


def test_a_file_that_changed_is_not_shown(tiny: PersonSearcher, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        toy_scene([(0, 10, 10)], seed=len(name)).save(tmp_path / name)
    tiny.index([str(tmp_path / "a.png"), str(tmp_path / "b.png")], tmp_path / "g")
    with running(create_app(tmp_path / "g", tiny)) as client:
        first, second = client.get("/api/scenes", params={"newest_first": False}).json()["scenes"]
        one, other = first["people"][0], second["people"][0]
        assert client.get(one["crop"]).status_code == 200
        toy_scene([(3, 60, 10)], seed=99).save(tmp_path / "a.png")
        (tmp_path / "b.png").unlink()
        changed, gone = client.get(one["scene"]), client.get(other["crop"])
        assert (changed.status_code, gone.status_code) == (404, 404)
        sentence = f"the picture of detection {one['detection_id']} is gone, or has changed since it was indexed"
        assert error_of(changed) == sentence
        assert str(tmp_path) not in changed.text + gone.text
        assert client.get(f"/api/detections/{other['detection_id']}").json()["picture"] is False


def test_a_path_without_its_sha256_is_not_read(tiny: PersonSearcher, tmp_path: Path) -> None:
    toy_scene([(0, 10, 10)]).save(tmp_path / "a.png")
    with Gallery.open(tmp_path / "g", tiny.spec) as gallery:
        gallery.add("a.png", tiny.detect(tmp_path / "a.png"), extra={"path": str(tmp_path / "a.png")})
        gallery.add("b.png", tiny.detect(tmp_path / "a.png"))
        gallery.add("c.png", tiny.detect(tmp_path / "a.png"), extra={"path": ["x"], "sha256": 7})
    with running(create_app(tmp_path / "g", tiny)) as client:
        for scene in client.get("/api/scenes").json()["scenes"]:
            one = scene["people"][0]
            assert one["picture"] is False
            for address in (one["crop"], one["scene"]):
                answer = client.get(address)
                assert answer.status_code == 404
                assert "cannot be had" in error_of(answer)


def test_nothing_is_shown_of_who_was_forgotten(served: Served) -> None:
    person = served.client.get("/api/people").json()["people"][0]
    crop = person["cover"]["crop"]
    assert served.client.get(crop).status_code == 200
    crops: Crops = served.app.state.service.crops
    assert crops._crops
    assert served.client.delete(f"/api/people/{person['person_id']}").json()["erased"] == person["detections"]
    assert served.client.get(crop).status_code == 404
    assert not crops._crops
    assert not crops._beside


def test_nothing_is_shown_of_whom_another_process_erased(served: Served) -> None:
    one = served.client.get("/api/detections/1").json()
    assert served.client.get(one["crop"]).status_code == 200
    with Gallery.open(served.folder) as gallery:
        gallery.remove([one["image_id"]])
    assert served.client.get(one["crop"]).status_code == 404
    assert not [key for key in served.app.state.service.crops._crops if key[0] == 1]


class Counting:
    """Scenes that count how often they are looked for and decoded."""

    def __init__(self) -> None:
        self.looked: list[list[str]] = []
        self.decoded: list[str] = []

    def __call__(self, sightings: Sequence[Sighting]) -> list[Callable[[], Image.Image]]:
        self.looked.append([one.image_id for one in sightings])

        def load(name: str) -> Image.Image:
            self.decoded.append(name)
            return toy_scene([(0, 10, 10)])

        return [partial(load, one.image_id) for one in sightings]


def test_all_people_of_one_video_are_cut_out_in_one_pass(tmp_path: Path) -> None:
    frames = [sighting(n, f"v.mp4#t={n}.000", tmp_path / "v.mp4") for n in range(1, 41)]
    everybody = {one.detection_id: one for one in frames}
    scenes = Counting()
    crops = Crops(scenes)
    crops.expect(frames)

    def ask(number: int) -> bytes:
        return crops.crop(everybody[number], 64, lambda ids: [everybody[one] for one in ids])

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(ask, everybody))
    assert len(set(found)) == 1
    assert len(scenes.looked) == 2  # 24 people at a time
    assert sorted(scenes.decoded) == sorted({one.image_id for one in frames})
    assert ask(7) == found[0]
    assert len(scenes.looked) == 2
    crops.forget([7])
    assert ask(7) == found[0]
    assert scenes.looked[2:] == [["v.mp4#t=7.000"]]


def test_others_that_are_gone_are_left_out(tmp_path: Path) -> None:
    scenes = Counting()
    crops = Crops(scenes)
    a, b = sighting(1, path=tmp_path / "a"), sighting(2, path=tmp_path / "a")
    crops.expect([a, b])
    crops.crop(a, 64, lambda ids: [])
    assert list(crops._crops) == [(1, 64)]


def test_the_memory_of_crops_is_bounded(tmp_path: Path) -> None:
    size = len(jpeg_bytes(cut_out(toy_scene([(0, 10, 10)]), (10, 10, 30, 60), 64), QUALITY))
    crops = Crops(Counting(), most_bytes=3 * size)
    for number in range(1, 10):
        crops.crop(sighting(number, f"{number}.png", tmp_path / "a"), 64, lambda ids: [])
    assert [key[0] for key in crops._crops] == [7, 8, 9]
    crops.forget()
    assert crops._bytes == 0


def test_the_fault_of_one_does_not_hang_the_others(tmp_path: Path) -> None:
    crops = Crops(scene_loaders)
    a, b = sighting(1, path=tmp_path / "nothing"), sighting(2, path=tmp_path / "nothing")
    crops.expect([a, b])
    for one in (a, b, a):
        with pytest.raises(Refused, match="is gone, or has changed"):
            crops.crop(one, 64, lambda ids: [a, b])
    assert not crops._running


def test_pictures_of_new_scenes_are_kept_where_that_is_wanted(served: Served, tiny: PersonSearcher) -> None:
    answer = served.client.post("/api/scenes", files={"picture": scene_png(9)}, data={"image_id": "new"}).json()
    assert (answer["stored"], answer["picture"]) == (True, True)
    shown = served.client.get(answer["people"][0]["scene"])
    assert shown.content == jpeg_bytes(Image.open(io.BytesIO(scene_png(9))), QUALITY)
    shutil.copytree(served.folder, served.folder.parent / "other")
    with running(create_app(served.folder.parent / "other", tiny)) as client:
        answer = client.post("/api/scenes", files={"picture": scene_png(10)}, data={"image_id": "newer"}).json()
        assert (answer["stored"], answer["picture"]) == (True, False)
        assert answer["people"][0]["picture"] is False
