"""The index on disk is a cache: whatever happens to it, the gallery answers correctly and says what it did."""

import gc
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personsearch import Detections, Gallery, Match
from personsearch.gallery import upkeep as upkeep_module
from personsearch.gallery.faults import DATABASE
from personsearch.gallery.index import Index
from personsearch.gallery.ivf import IVFIndex
from personsearch.gallery.store import Store
from tests.gallery.toy import DIM, people, spec

QUERY = people(1, seed=4321).embeddings[0]


def fill(path: Path, count: int = 40, first: int = 0) -> None:
    with Gallery.open(path, spec()) as gallery:
        for number in range(first, first + count):
            gallery.add(f"{number}.jpg", people(number % 6, seed=number), camera=f"c{number % 2}")


def everybody(path: Path) -> list[Match]:
    """Open a gallery, check it, and return its people by similarity to QUERY."""
    with Gallery.open(path, mode="r") as gallery:
        assert gallery.check() == []
        return gallery.search(QUERY, k=1000)


def caches(path: Path) -> list[Path]:
    return sorted((path / "index").iterdir()) if (path / "index").exists() else []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    fill(tmp_path / "g")
    return tmp_path / "g"


def test_closing_leaves_one_cache_and_opening_reads_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [cache] = caches(path)
    expected = everybody(path)
    read: list[int] = []
    people_of = Store.people
    monkeypatch.setattr(Store, "people", lambda store, after: read.append(after) or people_of(store, after))
    with Gallery.open(path, mode="r") as gallery:
        assert gallery.search(QUERY, k=1000) == expected
    assert read == [max(match.detection_id for match in expected)]  # only what came after
    assert caches(path) == [cache]


def test_what_came_after_the_cache_is_added_and_little_is_not_worth_a_new_one(path: Path) -> None:
    [cache] = caches(path)
    fill(path, 2, first=40)
    assert caches(path) == [cache]
    assert {match.image_id for match in everybody(path)} >= {"41.jpg"}
    fill(path, 40, first=42)
    [new] = caches(path)
    assert new != cache
    assert len(everybody(path)) == sum(number % 6 for number in range(82))


def truncate(cache: Path, rng: np.random.Generator) -> None:
    os.truncate(cache, int(rng.integers(cache.stat().st_size)))


def flip_a_bit(cache: Path, rng: np.random.Generator) -> None:
    data = bytearray(cache.read_bytes())
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    cache.write_bytes(data)


def delete(cache: Path, rng: np.random.Generator) -> None:
    cache.unlink()


def delete_the_folder(cache: Path, rng: np.random.Generator) -> None:
    shutil.rmtree(cache.parent)


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, delete, delete_the_folder])
def test_a_damaged_cache_is_noticed_reported_and_rebuilt(
    damage: Callable[[Path, np.random.Generator], None], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = everybody(path)
    rng = np.random.default_rng(3)
    for _ in range(25 if damage in (truncate, flip_a_bit) else 1):
        [cache] = caches(path)
        original = cache.read_bytes()
        damage(cache, rng)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "personsearch"), Gallery.open(path, mode="r") as reader:
            assert reader.search(QUERY, k=1000) == expected
            assert any("the cached index is" in problem for problem in reader.check())
        assert "rebuilding it from the database" in caplog.text
        with Gallery.open(path) as writer:
            writer.rebuild()
            assert writer.check() == []
        [cache] = caches(path)
        assert cache.read_bytes() == original
        assert everybody(path) == expected


def test_a_closed_gallery_lets_go_of_its_index(path: Path) -> None:
    gallery = Gallery.open(path, mode="r")
    gallery.search(QUERY)
    index = weakref.ref(gallery._store.view.index)  # type: ignore[attr-defined]
    assert index() is not None
    gallery.close()
    gc.collect()
    assert index() is None


def test_the_writer_replaces_a_damaged_cache_when_it_closes(path: Path) -> None:
    [cache] = caches(path)
    original = cache.read_bytes()
    cache.write_bytes(original[:-1])
    with Gallery.open(path) as writer:
        writer.search(QUERY)
    assert caches(path)[0].read_bytes() == original


def test_the_cache_of_another_state_is_not_used(path: Path, tmp_path: Path) -> None:
    """A database restored from a backup does not use the cache of what came after the backup."""
    backup = tmp_path / "backup.sqlite"
    shutil.copy(path / DATABASE, backup)
    expected = everybody(path)
    fill(path, 60, first=100)
    [later] = caches(path)
    shutil.copy(backup, path / DATABASE)
    fill(path, 1, first=500)  # the same detection_ids as the scenes that came later, other people
    assert later.exists() is False
    matches = everybody(path)
    assert [match for match in matches if match.image_id != "500.jpg"] == expected


def test_a_cache_from_another_gallery_is_not_used(path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path / "other", 40, first=7)
    [own], [other] = caches(path), caches(tmp_path / "other")
    expected = everybody(path)
    shutil.copy(other, own)
    with caplog.at_level(logging.WARNING, "personsearch"), Gallery.open(path, mode="r") as reader:
        assert reader.search(QUERY, k=1000) == expected
    assert "the cached index is damaged" in caplog.text


def test_erased_people_are_in_no_file(path: Path) -> None:
    secret = people(5, seed=5).embeddings[3].astype(np.float16).tobytes()

    def on_disk() -> bool:
        return any(secret in file.read_bytes() for file in path.rglob("*") if file.is_file())

    assert on_disk()
    with Gallery.open(path) as gallery:
        assert any(secret in file.read_bytes() for file in caches(path))
        gallery.remove("5.jpg")
        assert not on_disk()
        assert gallery.add("4.jpg", people(1, seed=9), replace=True)
        assert not caches(path)
    assert caches(path)
    assert not on_disk()


def test_nothing_is_lost_when_no_cache_can_be_written(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upkeep_module, "write_cache", full)
    with caplog.at_level(logging.WARNING, "personsearch"):
        fill(path, 60, first=100)
    assert "the index was not cached" in caplog.text
    assert "No space left" in caplog.text
    assert len(everybody(path)) == sum(number % 6 for number in [*range(40), *range(100, 160)])


def look_alikes(count: int, seed: int, centres: np.ndarray, rng: np.random.Generator) -> Detections:
    """People gathered closely around some of the centres, as inverted lists need them."""
    vectors = centres[rng.integers(len(centres), size=count)] + 0.03 * rng.normal(size=(count, DIM))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return replace(people(count, seed=seed), embeddings=vectors)


def test_inverted_lists_are_kept_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(200, DIM))
    with Gallery.open(tmp_path, spec()) as gallery:
        for number in range(40):
            crowd = look_alikes(100, number, centres, rng)
            gallery.add(f"{number}.jpg", crowd)
        exact = gallery.search_batch(crowd.embeddings[:20], 10)
        described = gallery.rebuild("ivf")
        assert described.startswith("IVF")
        assert gallery.check() == []
    monkeypatch.setattr(upkeep_module, "train_ivf", lambda *_: pytest.fail("trained again"))
    with Gallery.open(tmp_path) as gallery:
        assert gallery.info().index == described
        probed = gallery.search_batch(crowd.embeddings[:20], 10)
        same = [one == other for a, b in zip(probed, exact, strict=True) for one, other in zip(a, b, strict=True)]
        assert np.mean(same) > 0.95
        gallery.add("new.jpg", people(3, seed=1))
        gallery.remove("0.jpg")
        assert gallery.check() == []
    with Gallery.open(tmp_path, mode="r") as gallery:  # lists survive an erasure, in a new cache
        assert gallery.info().index.startswith("IVF")
        assert gallery.check() == []
    with Gallery.open(tmp_path) as gallery:  # also where nobody has asked for the index yet
        gallery.remove("1.jpg")
    with Gallery.open(tmp_path) as gallery:
        gallery.add("2.jpg", people(4, seed=2), replace=True)
    with Gallery.open(tmp_path, mode="r") as gallery:
        assert gallery.info().index.startswith("IVF")
        assert len(gallery) == 3707
        assert gallery.check() == []
    monkeypatch.undo()
    with Gallery.open(tmp_path) as gallery:
        assert gallery.rebuild("exact").startswith("exact")
    with Gallery.open(tmp_path) as gallery:
        assert gallery.info().index.startswith("exact")


def test_large_galleries_get_inverted_lists_without_being_asked(tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(3000, DIM))
    with Gallery.open(tmp_path, spec()) as gallery:
        for number in range(101):
            crowd = look_alikes(2000, number, centres, rng)
            gallery.add(f"{number}.jpg", crowd)
        assert gallery.info().index == "exact, FAISS"
    with Gallery.open(tmp_path, mode="r") as gallery:
        assert gallery.info().index.startswith("IVF")
        [best] = gallery.search(crowd.embeddings[7], 1)
        assert (best.image_id, best.box[0]) == ("100.jpg", 7.0)


def test_inverted_lists_are_trained_again_when_the_gallery_has_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is opened while it grows."""
    pytest.importorskip("faiss")
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(200, DIM))
    trained_with: list[int] = []
    train = upkeep_module.train_ivf

    def note_training(exact: Index, dim: int) -> IVFIndex | None:
        trained_with.append(len(exact.ids))
        return train(exact, dim)

    monkeypatch.setattr(upkeep_module, "train_ivf", note_training)
    with Gallery.open(tmp_path, spec()) as gallery:
        for number in range(20):
            gallery.add(f"{number}.jpg", look_alikes(100, number, centres, rng))
        gallery.rebuild("ivf")
    for number in range(20, 80, 6):  # the cache is written each time, for more than a tenth is new
        with Gallery.open(tmp_path) as gallery:
            for scene in range(number, number + 6):
                gallery.add(f"{scene}.jpg", look_alikes(100, scene, centres, rng))
            assert gallery.info().index.startswith("IVF")
    assert trained_with[0] == 2000
    assert len(trained_with) == 2
    assert 3900 <= trained_with[1] <= 4700
    with Gallery.open(tmp_path) as gallery:
        assert len(gallery) == 8000
        assert gallery.check() == []


CACHE_WRITER = """
import sys
from personsearch import Gallery
with Gallery.open(sys.argv[1]) as gallery:
    print("ready", flush=True)
    while True:
        gallery.rebuild()
"""


def half_written(path: Path) -> bool:
    return any(cache.suffix != ".safetensors" for cache in caches(path))


def wait_for_a_half_written_file(path: Path) -> None:
    for _ in range(100_000):
        if half_written(path):
            return
    pytest.fail("no cache was being written")


def killed_inside_cache_writing(path: Path, times: int) -> int:
    """Kill a process that only writes the cache; return how often it left a half-written file."""
    rng = np.random.default_rng(times)
    expected = everybody(path)
    hits = 0
    for number in range(times):
        child = subprocess.Popen([sys.executable, "-c", CACHE_WRITER, path], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(float(rng.uniform(0, 0.15)))
        if number % 2:  # random moments rarely hit the writing itself
            wait_for_a_half_written_file(path)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        hits += half_written(path)
        with Gallery.open(path, mode="r") as reader:
            assert reader.search(QUERY, k=1000) == expected
        with Gallery.open(path) as writer:
            writer.rebuild()
        assert len(caches(path)) == 1
        assert everybody(path) == expected
    return hits


def test_killed_inside_cache_writing(path: Path) -> None:
    killed_inside_cache_writing(path, 6)


@pytest.mark.slow
def test_killed_inside_cache_writing_many_times(tmp_path: Path) -> None:
    fill(tmp_path / "g", 2000)
    assert killed_inside_cache_writing(tmp_path / "g", 60) > 0
