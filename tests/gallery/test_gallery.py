import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery
from personsearch.errors import GalleryError, GalleryMismatchError
from tests.gallery.toy import people, spec


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.open(tmp_path / "g", spec()) as gallery:
        for i in range(6):
            gallery.add(f"{i}.jpg", people(i, seed=i), camera=f"c{i % 2}", time=float(i), extra={"n": i})
        yield gallery


def test_counts_and_membership(gallery: Gallery) -> None:
    assert len(gallery) == 15
    assert gallery.num_images == 6
    assert "0.jpg" in gallery  # a scene without people is still a scene
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
    similarities = [match.similarity for match in gallery.search(query, k=100)]
    assert np.allclose(similarities, expected, atol=2e-3)  # stored in half precision
    assert similarities == sorted(similarities, reverse=True)


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


def test_one_per_image_keeps_the_best_match_of_each_scene(gallery: Gallery) -> None:
    query = people(1, seed=99).embeddings[0]
    best: dict[str, float] = {}
    for match in gallery.search(query, k=100):
        best.setdefault(match.image_id, match.similarity)
    matches = gallery.search(query, k=3, one_per_image=True)
    assert [(m.image_id, m.similarity) for m in matches] == list(best.items())[:3]
    assert len(gallery.search(query, k=100, one_per_image=True)) == 5


def test_batches_equal_single_searches(gallery: Gallery) -> None:
    queries = people(4, seed=50).embeddings
    assert gallery.search_batch(queries, 5) == [gallery.search(query, 5) for query in queries]


def test_adding_the_same_again_does_nothing_and_other_content_is_an_error(gallery: Gallery) -> None:
    assert gallery.add("3.jpg", people(3, seed=3), camera="c1", time=3.0, extra={"n": 3}) is False
    assert len(gallery) == 15
    with pytest.raises(GalleryMismatchError, match=r"'3\.jpg' is stored with other content"):
        gallery.add("3.jpg", people(2, seed=8), camera="c1", time=3.0)
    ids = {m.detection_id for m in gallery.search(people(1, 0).embeddings[0], k=100)}
    assert gallery.add("3.jpg", people(2, seed=8), replace=True)
    assert len(gallery) == 14
    new = {m.detection_id for m in gallery.search(people(1, 0).embeddings[0], k=100)} - ids
    assert min(new) > max(ids)  # ids are never reused


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
    with Gallery.open(gallery.path, spec(), mode="r") as reader:
        assert reader.search(query, k=1)[0].similarity < 0.99
        gallery.add("new.jpg", people(3, seed=77))
        assert reader.search(query, k=1)[0].image_id == "new.jpg"
        gallery.remove("new.jpg")
        assert all(m.image_id != "new.jpg" for m in reader.search(query, k=100))


def test_readers_cannot_write(gallery: Gallery) -> None:
    with Gallery.open(gallery.path, mode="r") as reader:
        for write in (
            lambda: reader.add("x.jpg", people(1, 1)),
            lambda: reader.remove("5.jpg"),
            lambda: reader.rebuild("exact"),
        ):
            with pytest.raises(GalleryError, match="open for reading only; open it with mode='a'"):
                write()
        assert reader.num_images == 6
        assert reader.rebuild().startswith("exact")


def test_embeddings_of_other_weights_never_mix(gallery: Gallery) -> None:
    gallery.close()
    with pytest.raises(GalleryMismatchError, match="holds embeddings of toy"):
        Gallery.open(gallery.path, spec(fingerprint="0" * 64))
    Gallery.open(gallery.path).close()  # the refusal released the lock


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (True, r"was made with fast_decode and is used without it; .*; add it \(--fast-decode\), or index into a new"),
        (False, r"was made without fast_decode and is used with it; .*; leave it out, or index into a new gallery"),
    ],
)
def test_pictures_that_are_decoded_otherwise_never_mix(made: bool, message: str, tmp_path: Path) -> None:
    Gallery.open(tmp_path, spec(fast_decode=made)).close()
    with pytest.raises(GalleryMismatchError, match=message):
        Gallery.open(tmp_path, spec(fast_decode=not made))
    with Gallery.open(tmp_path, spec(fast_decode=made)) as opened:
        assert opened.spec.fast_decode == opened.info().fast_decode == made


def test_rebuild_changes_nothing(gallery: Gallery) -> None:
    query = people(1, seed=99).embeddings[0]
    before = gallery.search(query, k=100)
    gallery.rebuild()
    assert gallery.search(query, k=100) == before
    assert gallery.check() == []
    with pytest.raises(GalleryError, match="index must be one of auto, exact, ivf, got 'hnsw'"):
        gallery.rebuild("hnsw")  # type: ignore[arg-type]


def test_info_names_the_weights_with_their_revision(gallery: Gallery, tmp_path: Path) -> None:
    info = gallery.info()
    assert (info.images, info.people, info.embedding_size) == (6, 15, 16)
    assert (info.weights, info.revision, info.fingerprint) == ("toy", None, "f" * 64)
    assert gallery.spec == spec()
    with Gallery.open(tmp_path / "hub", spec(revision="a1" * 20)) as other:
        assert other.info().revision == "a1" * 20
        assert other.spec == spec(revision="a1" * 20)
    with Gallery.open(tmp_path / "hub", spec(revision="b2" * 20)) as other:  # the same weights
        assert other.spec.revision == "a1" * 20  # with which it was made


def test_an_embedding_has_the_gallery_s_size_and_k_is_at_least_one(gallery: Gallery) -> None:
    [query] = people(1, 1).embeddings
    with pytest.raises(GalleryError, match=r"must be \(16,\), or \(Q, 16\) of one person, got \(1, 1, 16\)"):
        gallery.search(query[None, None])
    with pytest.raises(GalleryError, match=r"query: embeddings must be \(N, 16\), got \(1, 15\)"):
        gallery.search(query[:15])
    with pytest.raises(GalleryError, match="k must be at least 1, got 0"):
        gallery.search(query, k=0)
    assert gallery.search_batch(people(0, 1).embeddings) == []


def test_a_gallery_that_is_closed_says_so_instead_of_damaged(gallery: Gallery) -> None:
    gallery.close()
    gallery.close()  # once more does no harm
    for use in (
        lambda: gallery.search(people(1, 1).embeddings[0]),
        lambda: gallery.add("x.jpg", people(1, 1)),
        lambda: gallery.remove("5.jpg"),
        lambda: gallery.embedding(1),
        lambda: len(gallery),
        gallery.image_ids,
        gallery.rebuild,
        gallery.info,
    ):
        with pytest.raises(GalleryError, match="the gallery is closed; open it again"):
            use()


def test_opened_in_one_thread_and_closed_in_another(tmp_path: Path) -> None:
    opened: list[Gallery] = []
    thread = threading.Thread(target=lambda: opened.append(Gallery.open(tmp_path / "g", spec())))
    thread.start()
    thread.join()
    [gallery] = opened
    assert gallery.add("a.jpg", people(2, 1))
    gallery.close()
    with Gallery.open(tmp_path / "g") as again:  # the lock was released
        assert len(again) == 2


def test_a_mode_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mode must be 'a' or 'r', got 'w'"):
        Gallery.open(tmp_path / "g", spec(), mode="w")  # type: ignore[arg-type]
    assert not (tmp_path / "g").exists()
