import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from personsearch import Detections, Gallery
from personsearch.errors import (
    GalleryCorruptError,
    GalleryError,
    GalleryMismatchError,
)
from tests.gallery.toy import DIM, Spec, people


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.open(tmp_path / "g", Spec()) as gallery:
        for i in range(6):
            gallery.add(f"{i}.jpg", people(i, seed=i), camera=f"c{i % 2}", time=float(i), extra={"n": i})
        yield gallery


def test_counts_and_membership(gallery: Gallery) -> None:
    assert len(gallery) == 15
    assert gallery.num_images == 6
    assert "0.jpg" in gallery  # a scene without people is a scene all the same
    assert "7.jpg" not in gallery
    assert 3 not in gallery
    assert gallery.image_ids() == [f"{i}.jpg" for i in range(6)]


def test_matches_carry_what_was_stored(gallery: Gallery) -> None:
    wanted = people(4, seed=4)
    [match] = gallery.search(wanted.embeddings[2], k=1)
    assert match.image_id == "4.jpg"
    assert match.box == (2.0, 4.0, 12.0, 34.0)
    assert match.similarity == pytest.approx(1, abs=1e-3)
    assert (match.score, match.camera, match.time, match.extra) == (0.75, "c0", 4.0, {"n": 4})
    assert match.probability is None


def test_a_stored_person_can_be_the_query(gallery: Gallery) -> None:
    [match] = gallery.search(people(4, seed=4).embeddings[2], k=1)
    [same] = gallery.search(gallery.embedding(match.detection_id), k=1)
    assert same.detection_id == match.detection_id
    assert same.similarity == pytest.approx(1, abs=1e-6)
    with pytest.raises(GalleryError, match="nobody has detection_id 999"):
        gallery.embedding(999)


def test_ranking_is_exact(gallery: Gallery) -> None:
    query = people(1, seed=99).embeddings[0]
    everybody = np.concatenate([people(i, seed=i).embeddings for i in range(6)])
    expected = np.sort(everybody @ query)[::-1]
    got = [match.similarity for match in gallery.search(query, k=100)]
    assert np.allclose(got, expected, atol=2e-3)  # stored in half precision
    assert got == sorted(got, reverse=True)


def test_filters_agree_with_filtering_afterwards(gallery: Gallery) -> None:
    query = people(1, seed=99).embeddings[0]
    everything = gallery.search(query, k=100)
    assert gallery.search(query, k=100, cameras=["c1"]) == [m for m in everything if m.camera == "c1"]
    assert gallery.search(query, k=100, cameras="c1") == [m for m in everything if m.camera == "c1"]
    timed = [m for m in everything if m.time is not None and 2 <= m.time <= 4]
    assert gallery.search(query, k=100, since=2, until=4) == timed
    assert gallery.search(query, k=3, exclude_images=["5.jpg"]) == [m for m in everything if m.image_id != "5.jpg"][:3]
    assert gallery.search(query, k=100, min_similarity=0.1) == [m for m in everything if m.similarity >= 0.1]
    assert gallery.search(query, k=100, cameras=[]) == []


def test_one_per_image_keeps_each_scenes_best(gallery: Gallery) -> None:
    query = people(1, seed=99).embeddings[0]
    best: dict[str, float] = {}
    for match in gallery.search(query, k=100):
        best.setdefault(match.image_id, match.similarity)
    got = gallery.search(query, k=3, one_per_image=True)
    assert [(m.image_id, m.similarity) for m in got] == list(best.items())[:3]
    assert len(gallery.search(query, k=100, one_per_image=True)) == 5


def test_batches_equal_single_searches(gallery: Gallery) -> None:
    queries = people(4, seed=50).embeddings
    assert gallery.search_batch(queries, 5) == [gallery.search(query, 5) for query in queries]


def test_adding_again_is_no_op_other_content_an_error(gallery: Gallery) -> None:
    assert gallery.add("3.jpg", people(3, seed=3), camera="c1", time=3.0, extra={"n": 3}) is False
    assert len(gallery) == 15
    with pytest.raises(GalleryMismatchError, match=r"'3\.jpg' is stored with other content"):
        gallery.add("3.jpg", people(2, seed=8), camera="c1", time=3.0)
    ids = {m.detection_id for m in gallery.search(people(1, 0).embeddings[0], k=100)}
    assert gallery.add("3.jpg", people(2, seed=8), replace=True)
    assert len(gallery) == 14
    new = {m.detection_id for m in gallery.search(people(1, 0).embeddings[0], k=100)} - ids
    assert min(new) > max(ids)  # ids are never used again


def test_remove_by_id_and_by_time(gallery: Gallery) -> None:
    assert gallery.remove(["5.jpg", "nowhere.jpg"]) == 1
    assert gallery.remove(before=2.0) == 2
    assert gallery.image_ids() == ["2.jpg", "3.jpg", "4.jpg"]
    assert {m.image_id for m in gallery.search(people(1, 0).embeddings[0], k=100)} == {"2.jpg", "3.jpg", "4.jpg"}
    with pytest.raises(GalleryError, match="needs image_ids or before"):
        gallery.remove()


def test_erased_embeddings_are_gone_from_the_files(gallery: Gallery) -> None:
    secret = people(5, seed=5).embeddings[3].astype(np.float16).tobytes()

    def on_disk() -> bool:
        return any(secret in file.read_bytes() for file in gallery.path.iterdir())

    assert on_disk()
    gallery.remove("5.jpg")
    assert not on_disk()


def test_what_was_added_survives_reopening(gallery: Gallery) -> None:
    gallery.close()
    with Gallery.open(gallery.path, mode="r") as again:
        assert len(again) == 15
        assert again.check() == []


def test_a_reader_sees_what_the_writer_adds_and_removes(gallery: Gallery) -> None:
    query = people(3, seed=77).embeddings[0]
    with Gallery.open(gallery.path, Spec(), mode="r") as reader:
        assert reader.search(query, k=1)[0].similarity < 0.99
        gallery.add("new.jpg", people(3, seed=77))
        assert reader.search(query, k=1)[0].image_id == "new.jpg"
        gallery.remove("new.jpg")
        assert all(m.image_id != "new.jpg" for m in reader.search(query, k=100))


def test_readers_cannot_write(gallery: Gallery) -> None:
    with Gallery.open(gallery.path, mode="r") as reader, pytest.raises(GalleryError, match="reading only"):
        reader.add("x.jpg", people(1, 1))


def test_a_second_writer_is_refused_with_the_owners_pid(gallery: Gallery) -> None:
    code = (
        "import sys; from personsearch import Gallery; from personsearch.errors import GalleryLockedError\n"
        "try: Gallery.open(sys.argv[1])\nexcept GalleryLockedError as error: print(error)"
    )
    output = subprocess.run([sys.executable, "-c", code, gallery.path], capture_output=True, text=True, check=True)
    import os

    assert f"process {os.getpid()} has it open" in output.stdout
    gallery.close()
    Gallery.open(gallery.path).close()


def test_embeddings_of_other_weights_never_mix(gallery: Gallery) -> None:
    gallery.close()
    with pytest.raises(GalleryMismatchError, match="holds embeddings of toy"):
        Gallery.open(gallery.path, Spec(fingerprint="0" * 64))
    Gallery.open(gallery.path).close()  # the refusal left no lock behind


def test_a_reader_needs_a_gallery(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="no gallery here"):
        Gallery.open(tmp_path / "none", mode="r")
    assert not (tmp_path / "none").exists()


def test_bad_vectors_are_refused(gallery: Gallery) -> None:
    good = people(2, 1)
    for vectors, message in [
        (good.embeddings * 2, "unit length"),
        (np.full((2, DIM), np.nan, np.float32), "finite"),
        (np.ones((2, 3), np.float32), r"must be \(N, 16\)"),
    ]:
        bad = Detections(boxes=good.boxes, scores=good.scores, embeddings=vectors, image_size=(1, 1))
        with pytest.raises(GalleryError, match=message):
            gallery.add("bad.jpg", bad)
    assert "bad.jpg" not in gallery
    with pytest.raises(GalleryError, match="finite"):
        gallery.search(np.full(DIM, np.nan, np.float32))
    with pytest.raises(GalleryError, match="k must be"):
        gallery.search(good.embeddings[0], k=0)
    with pytest.raises(GalleryError, match="image_id"):
        gallery.add("", good)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "gallery.sqlite").write_bytes(b"x" * 5000)
    with pytest.raises(GalleryCorruptError, match="damaged, or not a gallery"):
        Gallery.open(tmp_path, mode="r")


def test_another_format_is_refused(gallery: Gallery) -> None:
    gallery.close()
    with closing(sqlite3.connect(gallery.path / "gallery.sqlite")) as db, db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    with pytest.raises(GalleryMismatchError, match="format '99'"):
        Gallery.open(gallery.path, mode="r")


def test_rebuild_changes_nothing(gallery: Gallery) -> None:
    query = people(1, seed=99).embeddings[0]
    before = gallery.search(query, k=100)
    gallery.rebuild()
    assert gallery.search(query, k=100) == before
    assert gallery.check() == []
