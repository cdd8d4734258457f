"""The gallery under a service may be locked, damaged, erased and made again."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from personsearch import Gallery, PersonSearcher
from personsearch.errors import GalleryError, GalleryMismatchError
from personsearch.gallery.faults import DATABASE
from personsearch.serve import create_app
from personsearch.serve.desk import MOST_WRITERS, Desk
from personsearch.serve.faults import Refused
from personsearch.serve.network import Network
from tests.serve.support import Served, error_of, running, scene_png


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(home / "gallery", tmp_path / "g"))


def remade(folder: Path, searcher: PersonSearcher, names: list[str]) -> None:
    """Make a gallery in place of the one that is there, as another process would."""
    other = folder.with_name("new")
    with Gallery.open(other, searcher.spec) as gallery:
        for name in names:
            gallery.add(name, searcher.detect(scene_png()))
    shutil.rmtree(folder)
    other.rename(folder)


def test_one_reader_is_lent_to_all_and_sees_what_is_added(folder: Path, tiny: PersonSearcher) -> None:
    desk = Desk(folder, tiny.spec, tiny.calibration)
    with desk.reading() as first, desk.reading() as second:
        assert first is second
        with desk.writing() as writer:
            writer.add("new", tiny.detect(scene_png()))
        assert "new" in first
        assert first.calibration == tiny.calibration
    desk.close()
    with pytest.raises(GalleryError, match="closed"):
        first.image_ids()


def test_a_gallery_that_was_made_again_is_opened_again(folder: Path, tiny: PersonSearcher) -> None:
    desk = Desk(folder, tiny.spec, None)
    with desk.reading() as before:
        assert before.num_images == 6
        remade(folder, tiny, ["a", "b"])
        with desk.reading() as after:
            assert after is not before
            assert after.image_ids() == ["a", "b"]
        assert before._closed is False  # somebody is still using it
    assert before._closed is True
    desk.close()


def test_a_gallery_that_is_gone_is_no_new_one(folder: Path, tiny: PersonSearcher) -> None:
    desk = Desk(folder, tiny.spec, None)
    aside = folder.with_name("aside")
    folder.rename(aside)
    for lend in (desk.reading, desk.writing):
        with pytest.raises(Refused, match="not there any more") as refused, lend():
            pass
        assert refused.value.status == 503
    assert not (folder / DATABASE).exists()
    if folder.exists():  # the writer's attempt leaves at most an empty folder
        shutil.rmtree(folder)
    aside.rename(folder)
    with desk.reading() as again:
        assert again.num_images == 6
    desk.close()


def test_other_weights_are_refused(folder: Path, tiny: PersonSearcher) -> None:
    other = replace(tiny.spec, fingerprint="0" * 64)
    with pytest.raises(GalleryMismatchError):
        Desk(folder, other, None)
    desk = Desk(folder, tiny.spec, None)
    shutil.rmtree(folder)
    Gallery.open(folder, other).close()
    for lend in (desk.reading, desk.writing):
        with pytest.raises(Refused, match="made again with other weights") as refused, lend():
            pass
        assert refused.value.status == 409
    desk.close()


def test_a_gallery_that_is_damaged_and_put_right(served: Served) -> None:
    database = served.folder / DATABASE
    whole = database.read_bytes()
    assert served.client.get("/health").json() == {
        **{"status": "ok", "gallery": "ok", "writable": True, "waiting": 0},
        "version": served.client.get("/api/gallery").json()["version"],
    }
    database.write_bytes(b"rubbish" * 10_000)
    served.app.state.service.desk._retire(served.app.state.service.desk._reader)
    health = served.client.get("/health")
    assert (health.status_code, health.json()["status"], health.json()["gallery"]) == (503, "degraded", "damaged")
    for answer in (
        served.client.get("/api/gallery"),
        served.client.post("/api/search", json={"detection": 1}),
        served.client.post("/api/people/undo"),
    ):
        assert answer.status_code == 500
        assert error_of(answer).startswith("the gallery is damaged, or is no gallery any more")
    assert "personsearch_gallery{" not in served.client.get("/metrics").text
    database.write_bytes(whole)
    assert served.client.get("/health").json()["gallery"] == "ok"
    assert served.client.get("/api/gallery").json()["images"] == 6


def test_health_of_a_gallery_that_is_gone(served: Served) -> None:
    shutil.rmtree(served.folder)
    health = served.client.get("/health")
    assert (health.status_code, health.json()["gallery"]) == (503, "gone")
    answer = served.client.get("/api/scenes")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert "not there any more" in error_of(answer)
    add = served.client.post("/api/scenes", files={"picture": scene_png()}, data={"image_id": "a"})
    assert add.status_code == 503
    assert not (served.folder / DATABASE).exists()


def test_the_line_of_writers_is_not_endless(folder: Path, tiny: PersonSearcher) -> None:
    desk = Desk(folder, tiny.spec, None)
    inside, leave = threading.Event(), threading.Event()

    def write() -> None:
        with desk.writing():
            inside.set()
            leave.wait()

    threads = [threading.Thread(target=write) for _ in range(MOST_WRITERS)]
    for one in threads:
        one.start()
    inside.wait()
    while desk._writers._value:
        threading.Event().wait(0.001)
    with pytest.raises(Refused, match="too many requests are waiting to write") as refused, desk.writing():
        pass
    assert refused.value.status == 503
    leave.set()
    for one in threads:
        one.join()
    with desk.writing():
        pass
    desk.close()


def test_the_line_of_the_network_is_not_endless(tiny: PersonSearcher) -> None:
    network = Network(tiny, most_waiting=2)
    leave = threading.Event()
    together, most, lock = 0, 0, threading.Lock()

    def work(_: PersonSearcher) -> None:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        leave.wait()
        with lock:
            together -= 1

    def use() -> None:
        network.run(work)

    threads = [threading.Thread(target=use) for _ in range(3)]
    for one in threads:
        one.start()
    while network.waiting < 3:
        threading.Event().wait(0.001)
    with pytest.raises(Refused, match="has 3 requests to answer before this one") as refused:
        network.run(work)
    assert refused.value.status == 503
    assert int(refused.value.headers["Retry-After"]) >= 1
    leave.set()
    for one in threads:
        one.join()
    assert most == 1
    assert network.waiting == 0
    assert network.run(lambda searcher: searcher) is tiny
    with pytest.raises(ZeroDivisionError):
        network.run(lambda _: 1 / 0)
    threads_of = {network.run(lambda _: threading.get_ident()) for _ in range(3)}
    assert len(threads_of) == 1
    network.close()


def test_a_busy_service_says_when_to_come_again(tiny: PersonSearcher, home: Path) -> None:
    app = create_app(home / "gallery", tiny)
    network = app.state.service.network
    network._most = 0
    leave = threading.Event()
    other = threading.Thread(target=network.run, args=(lambda _: leave.wait(),))
    with running(app) as client:
        other.start()
        while not network.waiting:
            threading.Event().wait(0.001)
        answer = client.post("/api/detect", files={"picture": scene_png()})
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert client.post("/api/search", json={"detection": 1}).status_code == 200
        leave.set()
        other.join()


def test_searches_while_people_are_forgotten(served: Served) -> None:
    """Whoever is erased in the middle of a search is in its answer or not; nothing else happens."""
    numbers = [one["person_id"] for one in served.client.get("/api/people?limit=200").json()["people"]]
    statuses: set[int] = set()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            for path in ("/api/people?limit=200", "/api/scenes", f"/api/people/{numbers[-1]}"):
                statuses.add(served.client.get(path).status_code)
            statuses.add(served.client.post("/api/search", json={"like": [1], "k": 50}).status_code)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for one in threads:
        one.start()
    for number in numbers[:4]:
        assert served.client.delete(f"/api/people/{number}").status_code == 200
    done.set()
    for one in threads:
        one.join()
    assert statuses <= {200, 400, 404}  # detection 1 may be one of those who are gone
    with served.gallery() as gallery:
        assert gallery.check() == []
