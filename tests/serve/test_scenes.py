"""Listing, adding and erasing scenes."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from personsearch import Gallery, PersonSearcher
from personsearch.gallery.lock import acquire_writer_lock
from personsearch.serve.desk import Desk
from personsearch.serve.storing import PictureFolder
from tests.serve.support import Served, error_of, scene_png

MARKUP = '<img src=x onerror="alert(1)">\'"&{{7*7}}'


def add(client: httpx.Client, image_id: str, picture: bytes | None = None, **fields: str) -> httpx.Response:
    sent = {"picture": scene_png(20) if picture is None else picture}
    return client.post("/api/scenes", files=sent, data={"image_id": image_id, **fields})


def names(client: httpx.Client, **filters: object) -> list[str]:
    answer = client.get("/api/scenes", params=filters)
    assert answer.status_code == 200, answer.text
    return [one["image_id"] for one in answer.json()["scenes"]]


def test_scenes_by_time_page_by_page(client: httpx.Client) -> None:
    listed, after = [], None
    while True:
        page = client.get("/api/scenes", params={"limit": 2, **({} if after is None else {"after": after})}).json()
        assert len(page["scenes"]) <= 2
        listed += page["scenes"]
        after = page["next"]
        if after is None:
            break
    assert [one["image_id"] for one in listed] == [
        *("3.png", "2.png", "1.png", "clip.mp4#t=0.600"),
        *("clip.mp4#t=0.000", "0.png"),
    ]
    assert [len(one["people"]) for one in listed] == [5] * 6
    assert listed[0]["image_size"] == [96, 160]
    assert listed[0]["people"][0]["image_id"] == "3.png"


def test_scenes_of_some_cameras_and_times(client: httpx.Client) -> None:
    assert names(client, camera=["door", "yard"], newest_first=False) == ["0.png", "1.png", "2.png"]
    assert names(client, since=100, until=200) == ["2.png", "1.png"]
    assert names(client, camera="nowhere") == []
    answer = client.get("/api/scenes", params={"after": "gone.png"})
    assert answer.status_code == 404
    assert error_of(answer) == "after: this scene was erased; begin again without it"
    for wrong in ({"limit": 0}, {"limit": 1000}, {"since": "nan"}, {"since": "inf"}):
        assert client.get("/api/scenes", params=wrong).status_code == 422


def test_a_scene_is_stored_as_by_the_searcher(served: Served, tiny: PersonSearcher) -> None:
    data = scene_png(20)
    answer = add(served.client, "new.png", camera="gate", time="12.5")
    assert answer.status_code == 201
    stored = answer.json()
    assert (stored["image_id"], stored["stored"]) == ("new.png", True)
    expected = tiny.detect(data)
    with served.gallery() as gallery:
        scene = gallery.scene("new.png")
        assert scene is not None
        assert (scene.camera, scene.time, scene.image_size) == ("gate", 12.5, (96, 160))
        assert scene.extra["sha256"] == hashlib.sha256(data).hexdigest()
        [people] = gallery.scenes.people(["new.png"])
        assert [one.detection_id for one in people] == [one["detection_id"] for one in stored["people"]]
        np.testing.assert_allclose([one.box for one in people], expected.boxes, atol=1e-4)
        [best] = gallery.search(expected.embeddings[0], k=1)
    assert best.image_id == "new.png"
    assert "new.png" in names(served.client)


def test_the_same_again_is_skipped_and_other_content_refused(served: Served) -> None:
    first = add(served.client, "a")
    again = add(served.client, "a")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {**first.json(), "stored": False}
    other = add(served.client, "a", scene_png(21))
    assert other.status_code == 409
    assert error_of(other) == "image_id 'a': is stored with other content; send replace=true, or use another image_id"
    labelled = add(served.client, "a", camera="gate")
    assert labelled.json()["people"][0]["camera"] == "gate"
    assert labelled.json()["people"][0]["detection_id"] == first.json()["people"][0]["detection_id"]
    replaced = add(served.client, "a", scene_png(21), replace="true")
    assert replaced.status_code == 201
    assert len(list((served.folder.parent / "kept").iterdir())) == 1  # the former picture went with its scene


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "image_id: is missing"),
        ({"image_id": ""}, "image_id: is missing"),
        ({"image_id": "a\r\nSet-Cookie: x=1"}, "none of them a control character"),
        ({"image_id": "a\0b"}, "none of them a control character"),
        ({"image_id": "x" * 1001}, "at most 1000 signs"),
        ({"image_id": ["a", "b"]}, "image_id is given 2 times"),
        ({"image_id": "a", "camera": "x\n"}, "camera: must be at most"),
        ({"image_id": "a", "time": "now"}, "time: must be a number"),
        ({"image_id": "a", "time": "nan"}, "time: must be a number"),
        ({"image_id": "a", "time": "1e999"}, "time: must be a number"),
        ({"image_id": "a", "time": "1e300"}, "time: must be seconds from"),
        ({"image_id": "a", "replace": "perhaps"}, "replace: must be true or false"),
    ],
)
def test_fields_of_a_scene_are_checked(served: Served, fields: dict, words: str) -> None:
    answer = served.client.post("/api/scenes", files={"picture": scene_png()}, data=fields)
    assert answer.status_code == 400
    assert words in error_of(answer)
    assert not list((served.folder.parent / "kept").iterdir())


def test_names_with_markup_are_data_everywhere(served: Served) -> None:
    assert add(served.client, MARKUP, camera=MARKUP).status_code == 201
    served.client.post("/api/people/group", json={"min_similarity": 0.9})
    person = served.client.get("/api/people", params={"camera": MARKUP}).json()["people"][0]
    named = served.client.put(f"/api/people/{person['person_id']}/name", json={"name": MARKUP})
    assert named.json()["name"] == MARKUP
    for path in ("/api/scenes", "/api/people", "/api/gallery", "/api/timeline", "/api/people/decisions"):
        answer = served.client.get(path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "script-src" not in answer.headers["content-security-policy"]
    refused = served.client.get("/api/scenes", params={"after": f"{MARKUP}x"})
    assert refused.headers["content-type"] == "application/json"
    crop = served.client.get(person["cover"]["crop"])
    assert crop.headers["content-type"] == "image/jpeg"
    assert all("onerror" not in value for value in crop.headers.values())
    assert served.client.delete("/api/scenes", params={"image_id": MARKUP}).json() == {"removed": 1}


def test_erasing_scenes(served: Served) -> None:
    add(served.client, "kept", time="1000")
    add(served.client, "old", scene_png(30), time="5")
    add(served.client, "odd", scene_png(31), time="1000")
    kept = served.folder.parent / "kept"
    assert len(list(kept.iterdir())) == 3
    client = served.client
    assert client.delete("/api/scenes", params={"before": 50}).json() == {"removed": 4}  # 0.png, old, two frames
    assert client.delete("/api/scenes", params={"image_id": ["odd", "nothing"]}).json() == {"removed": 1}
    assert len(list(kept.iterdir())) == 1
    assert names(client) == ["kept", "3.png", "2.png", "1.png"]
    assert client.delete("/api/scenes", params={"image_id": "1.png"}).json() == {"removed": 1}
    assert (served.files / "1.png").exists()  # only what the service kept itself is erased
    answer = client.delete("/api/scenes")
    assert answer.status_code == 400
    assert "say which scenes to erase" in error_of(answer)
    assert client.delete("/api/scenes", params={"before": "nan"}).status_code == 422
    with served.gallery() as gallery:
        assert gallery.check() == []


def test_a_service_that_only_reads_writes_nothing(client: httpx.Client) -> None:
    asked = [
        add(client, "new"),
        client.delete("/api/scenes", params={"before": 1e9}),
        client.post("/api/people/group", json={}),
        client.post("/api/people/merge", json={"person_ids": [1, 2]}),
        client.post("/api/people/1/split", json={"detections": [1]}),
        client.put("/api/people/1/name", json={"name": "x"}),
        client.post("/api/people/undo"),
        client.delete("/api/people/1"),
    ]
    for answer in asked:
        assert answer.status_code == 409
        assert "--read-only" in error_of(answer)
    assert client.get("/api/gallery").json()["writable"] is False
    assert len(names(client)) == 6


def test_another_process_that_writes_is_waited_for(served: Served) -> None:
    desk: Desk = served.app.state.service.desk
    lock = acquire_writer_lock(served.folder)
    try:
        threading.Timer(0.3, lock.release).start()
        assert add(served.client, "waited").status_code == 201
        lock = acquire_writer_lock(served.folder)
        desk._wait = 0.05
        answer = served.client.post("/api/people/undo")
        assert answer.status_code == 409
        assert error_of(answer) == "another process is writing to the gallery; try again in a moment"
        assert "retry-after" in answer.headers
        assert served.client.post("/api/search", json={"detection": 1}).status_code == 200  # searching goes on
    finally:
        lock.release()


def test_eight_clients_store_scenes_at_once(served: Served) -> None:
    def store(number: int) -> int:
        with httpx.Client(base_url=served.client.base_url, timeout=60) as own:
            return add(own, f"{number % 4}.jpg", scene_png(40 + number % 4)).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(store, range(8)))
    assert sorted(statuses) == [200] * 4 + [201] * 4
    with served.gallery() as gallery:
        assert gallery.check() == []
        assert gallery.num_images == 10


def test_pictures_are_kept_under_names_of_the_service(tmp_path: Path) -> None:
    folder = PictureFolder(tmp_path / "kept", reserve=0)
    for name in ("../../etc/passwd", "/etc/passwd", "a\0b", ".", "x" * 5000):
        path = folder.keep(name, "0" * 64, b"data")
        assert path.parent == (tmp_path / "kept").resolve()
        assert path.read_bytes() == b"data"
    assert folder.path_of("a", "0") != folder.path_of("a", "1")


def test_the_disk_of_pictures_keeps_some_room(tmp_path: Path) -> None:
    folder = PictureFolder(tmp_path / "kept", reserve=2**62)
    with pytest.raises(Exception, match="the disk of the pictures has less than"):
        folder.keep("a", "0" * 64, b"data")
    assert not list((tmp_path / "kept").iterdir())


def test_only_own_pictures_are_erased(tmp_path: Path, tiny: PersonSearcher) -> None:
    folder = PictureFolder(tmp_path / "kept", reserve=0)
    other = tmp_path / "other.png"
    other.write_bytes(scene_png())
    with Gallery.open(tmp_path / "g", tiny.spec) as gallery:
        gallery.add("a", tiny.detect(other), extra={"path": str(other), "sha256": "0" * 64})
        scene = gallery.scene("a")
    assert scene is not None
    folder.erase(scene)
    assert other.exists()
