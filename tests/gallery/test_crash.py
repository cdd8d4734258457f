"""Processes killed with SIGKILL, many processes at once, and a full disk."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery, PersonSearcher
from personsearch.errors import GalleryError, GalleryFullError
from tests.gallery.toy import people, scene, spec
from tests.support import toy_scene

SCENES = 300

WRITE = """
import sys, time
from personsearch import Gallery
from tests.gallery.toy import scene, spec
with Gallery.open(sys.argv[1], spec()) as gallery:
    for number in range(int(sys.argv[2])):
        name = f"{number}.jpg"
        if name not in gallery:
            gallery.add(name, scene(name), camera=f"c{number % 3}", time=float(number))
            print(name, flush=True)
            time.sleep(0.002)  # so that the run lasts long enough to be killed in the middle
"""

CHURN = """
import random, sys, time
from personsearch import Gallery
from tests.gallery.toy import scene, spec
end, number = time.time() + float(sys.argv[2]), 0
with Gallery.open(sys.argv[1], spec()) as gallery:
    while time.time() < end:
        gallery.add(f"{number}.jpg", scene(f"{number}.jpg"), time=time.time())
        if number % 3 == 2:
            gallery.remove(f"{random.randrange(number)}.jpg")
        number += 1
print(number)
"""

READ = """
import sys, time
import numpy as np
from personsearch import Gallery
from tests.gallery.toy import people, scene, spec
end, searches, latest = time.time() + float(sys.argv[2]), 0, 0.0
with Gallery.open(sys.argv[1], spec(), mode="r") as gallery:
    while time.time() < end:
        query = people(1, searches).embeddings[0]
        for match in gallery.search(query, k=20):
            truth = scene(match.image_id)
            row = [tuple(box) for box in truth.boxes.tolist()].index(match.box)  # raises if that was never stored
            assert abs(float(truth.embeddings[row] @ query) - match.similarity) < 2e-3
            latest = max(latest, match.time)
        searches += 1
print(searches)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def content(
    path: Path, searcher: PersonSearcher | None = None
) -> list[tuple[str, str | None, float | None, list[tuple[float, ...]]]]:
    """Everything a gallery holds, by scene; rounded if a network made it."""
    with Gallery.open(path, mode="r") as gallery:
        assert gallery.check() == []
        query = np.eye(gallery.embedding_size, dtype=np.float32)[0] if searcher else people(1, 0).embeddings[0]
        matches = gallery.search(query, k=100_000)
        by_scene: dict[str, list[tuple[float, ...]]] = {name: [] for name in gallery.image_ids()}
        known = {match.image_id: (match.camera, match.time) for match in matches}
        for match in matches:
            row = (*match.box, match.similarity)
            # A network's numbers may differ in the last bits when batches are composed differently.
            by_scene[match.image_id].append(tuple(round(value, 2) for value in row) if searcher else row)
        return [(name, *known.get(name, (None, None)), sorted(rows)) for name, rows in sorted(by_scene.items())]


def finish(path: Path) -> None:
    child = start(WRITE, path, SCENES)
    _, err = child.communicate(timeout=120)
    assert child.returncode == 0, err


def kill_and_check(path: Path, moments: list[float]) -> None:
    """Kill a writer at each moment after its start; what it acknowledged is there and whole, and it can continue."""
    acknowledged: set[str] = set()
    for moment in moments:
        child = start(WRITE, path, SCENES)
        time.sleep(moment)
        child.send_signal(signal.SIGKILL)
        acknowledged |= set(child.communicate()[0].split("\n")[:-1])
        if not (path / "gallery.sqlite").exists() or not acknowledged:
            continue
        stored = content(path)
        assert acknowledged <= {name for name, *_ in stored}
        for name, _, _, rows in stored:
            assert len(rows) == len(scene(name)), f"only part of {name} is stored"
    finish(path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("undisturbed") / "g"
    finish(path)
    return path


def moments(count: int) -> list[float]:
    rng = np.random.default_rng(7)
    return rng.uniform(0.1, 0.5, count).tolist()


def test_a_killed_writer_loses_nothing_that_it_acknowledged(undisturbed: Path, tmp_path: Path) -> None:
    kill_and_check(tmp_path / "g", moments(8))
    assert content(tmp_path / "g") == content(undisturbed)


@pytest.mark.slow
def test_a_hundred_kills(undisturbed: Path, tmp_path: Path) -> None:
    for part in range(10):
        kill_and_check(tmp_path / str(part), moments(100)[part * 10 : part * 10 + 10])
        assert content(tmp_path / str(part)) == content(undisturbed)


def many_at_once(path: Path, seconds: float) -> None:
    Gallery.open(path, spec()).close()
    writer = start(CHURN, path, seconds)
    readers = [start(READ, path, seconds) for _ in range(8)]
    for child in (writer, *readers):
        out, err = child.communicate(timeout=seconds + 60)
        assert child.returncode == 0, err
        assert int(out) > 0
    with Gallery.open(path) as gallery:
        assert gallery.check() == []


def test_one_writer_and_eight_readers(tmp_path: Path) -> None:
    many_at_once(tmp_path / "g", seconds=5)


@pytest.mark.slow
def test_one_writer_and_eight_readers_for_minutes(tmp_path: Path) -> None:
    many_at_once(tmp_path / "g", seconds=180)


WATCH = """
import sys, time
from personsearch import Gallery
from tests.gallery.toy import people, spec
query = people(1, 4711).embeddings[0]
with Gallery.open(sys.argv[1], spec(), mode="r") as gallery:
    gallery.search(query)
    print("watching", flush=True)
    while "new.jpg" not in {match.image_id for match in gallery.search(query, k=1, min_similarity=0.99)}:
        time.sleep(0.01)
    print(time.time())
"""


def test_a_reader_in_another_process_sees_a_new_scene_at_its_next_search(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g", spec()) as gallery:
        for number in range(50):
            gallery.add(f"{number}.jpg", scene(f"{number}.jpg"))
        reader = start(WATCH, tmp_path / "g")
        assert reader.stdout is not None
        assert reader.stdout.readline() == "watching\n"
        assert gallery.add("new.jpg", people(1, 4711))
        committed = time.time()
        out, err = reader.communicate(timeout=60)
        assert reader.returncode == 0, err
        print(f"seen {float(out) - committed:.3f} s after the commit")  # at its next poll


# A shell that starts the tests in the background makes them ignore Ctrl-C, and their children inherit that.
INDEX = """
import signal, sys
from personsearch.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[0] = "personsearch"
main()
"""


def test_an_index_run_continues_after_ctrl_c_in_the_middle(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    weights = tiny_searcher.save_pretrained(tmp_path / "weights")
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(60):
        toy_scene([(number % 6, 10, 10), (number % 5, 80, 20)], seed=number).save(photos / f"{number:02d}.png")
    command = ("index", photos, "--weights", weights)

    def index(gallery: str) -> subprocess.Popen[str]:
        return start(INDEX, *command[:2], tmp_path / gallery, *command[2:])

    def finish_index(gallery: str) -> None:
        child = index(gallery)
        _, err = child.communicate(timeout=120)
        assert child.returncode == 0, err

    finish_index("whole")
    child = index("g")
    database = tmp_path / "g" / "gallery.sqlite"
    while child.poll() is None:
        if database.exists():
            with suppress(GalleryError), Gallery.open(tmp_path / "g", mode="r") as gallery:
                if gallery.num_images > 5:
                    child.send_signal(signal.SIGINT)
                    break
        time.sleep(0.005)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "run the same command again to" in err
    assert "Traceback" not in err
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        assert 5 < gallery.num_images < 60
        assert gallery.check() == []
    finish_index("g")
    assert content(tmp_path / "g", tiny_searcher) == content(tmp_path / "whole", tiny_searcher)


def test_a_full_disk_loses_nothing_and_adding_continues_when_there_is_room(small_disk: Path) -> None:
    stored: list[str] = []
    with Gallery.open(small_disk / "g", spec()) as gallery:

        def fill() -> None:
            for number in range(100_000):
                gallery.add(f"{number}.jpg", people(20, number))
                stored.append(f"{number}.jpg")

        with pytest.raises(GalleryFullError, match="the disk is full"):
            fill()
        assert len(stored) > 10
        assert gallery.image_ids() == stored
        subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
        assert gallery.add("after.jpg", people(20, 1))
    with Gallery.open(small_disk / "g", mode="r") as gallery:
        assert gallery.image_ids() == [*stored, "after.jpg"]
        assert gallery.check() == []


def test_matches_hold_plain_python_values(tmp_path: Path) -> None:
    with Gallery.open(tmp_path, spec()) as gallery:
        gallery.add("a.jpg", people(2, 3), extra={"deep": [1, {"x": None}]})
        [match, _] = gallery.search(people(2, 3).embeddings[0])
    assert json.loads(json.dumps(match.extra)) == {"deep": [1, {"x": None}]}
    assert isinstance(match.similarity, float)
    assert not isinstance(match.similarity, np.floating)
    assert os.listdir(tmp_path).count("gallery.sqlite") == 1
