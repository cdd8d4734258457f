import numpy as np
import pytest

from personsearch.datasets import Query, Scene
from personsearch.errors import DatasetError
from personsearch.evaluation import PRESETS
from personsearch.evaluation.gallery_sizes import gallery_curve, require_sizes, usual_sizes, with_gallery_size
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.search import evaluate_search
from tests.evaluation import toy
from tests.evaluation.toy import LOOK, A, dataset, detected, listing, query, shows


def many(queries: int = 3) -> tuple[list[Scene], list[Query]]:
    scenes = [shows(f"s{number}", [number % 3]) for number in range(12)]
    return scenes, [query(number, f"s{number}") for number in range(queries)]


def test_galleries_of_a_size() -> None:
    scenes, queries = many()
    data = dataset(scenes, *queries)
    small, large = with_gallery_size(data, 5), with_gallery_size(data, 8)
    assert (small.name, large.name) == ("toy@5", "toy@8")
    for before, few, more in zip(queries, small.queries, large.queries, strict=True):
        assert len(few.gallery.image_ids) == 5
        assert len(set(more.gallery.image_ids)) == 8
        assert set(few.gallery.image_ids) < set(more.gallery.image_ids)
        assert before.image_id not in more.gallery.image_ids
        there = {one.image_id for one in scenes if before.identity in one.identities} - {before.image_id}
        named = zip(few.gallery.image_ids, few.gallery.boxes, strict=True)
        assert {name for name, box in named if not np.isnan(box[0])} == there
    again, other = with_gallery_size(data, 5), with_gallery_size(data, 5, seed=1)
    assert [one.gallery.image_ids for one in again.queries] == [one.gallery.image_ids for one in small.queries]
    assert [one.gallery.image_ids for one in other.queries] != [one.gallery.image_ids for one in small.queries]
    assert small.digest != data.digest


def test_the_largest_gallery_is_the_whole_set() -> None:
    scenes, queries = many()
    rng = np.random.default_rng(0)
    detections = {one.image_id: detected([float(rng.random())]) for one in scenes}
    data, look = dataset(scenes, *queries), np.repeat(LOOK, 3, axis=0)
    whole = evaluate_search(detections, data, look)
    listed = evaluate_search(detections, with_gallery_size(data, 11), look)
    assert listed.average_precisions.tolist() == whole.average_precisions.tolist()
    with pytest.raises(DatasetError, match=r"12: query 0 \(in 's0'\) can be looked for in at most 11 images"):
        with_gallery_size(data, 12)
    with pytest.raises(DatasetError, match="must be at least 1, got 0"):
        with_gallery_size(data, 0)


def test_a_person_of_more_images_than_the_size_keeps_them_all() -> None:
    scenes, queries = many(1)
    [one] = with_gallery_size(dataset(scenes, *queries), 2).queries
    assert sorted(one.gallery.image_ids) == ["s3", "s6", "s9"]


def test_galleries_are_drawn_from_the_lists_of_the_set() -> None:
    listed = query(gallery=listing(("x", A), ("x", A), ("q", A), ("y", None)))
    [one] = with_gallery_size(dataset([shows("q", [1]), shows("x", [1, 2]), shows("y", [1])], listed), 2).queries
    assert one.gallery.image_ids == ("x", "y")
    assert one.gallery.boxes[0].tolist() == A
    assert np.isnan(one.gallery.boxes[1]).all()


def test_sizes_go_up_to_what_every_query_can_have() -> None:
    scenes = [toy.shows(f"s{number}", [1]) for number in range(130)]
    everywhere = toy.query(image_id="s0")
    assert usual_sizes(toy.dataset(scenes, everywhere)) == (50, 100, 129)
    entries = [(f"s{number}", None) for number in range(60)]
    listed = toy.query(image_id="s0", gallery=toy.listing(*entries, ("s1", None)))
    assert usual_sizes(toy.dataset(scenes, everywhere, listed)) == (50, 59)
    assert usual_sizes(toy.dataset(scenes)) == ()


def test_sizes_that_a_query_cannot_have_are_refused() -> None:
    everywhere = query(image_id="s0")
    short = query(image_id="s0", gallery=listing(("s1", A), ("s1", A), ("s0", A), ("s2", None)))
    data = dataset([shows(f"s{number}", [1]) for number in range(5)], everywhere, short)
    require_sizes(data, (2, 1))
    require_sizes(data, ())
    with pytest.raises(DatasetError, match=r"gallery size 4: query 1 .* in at most 2 images; choose a smaller size"):
        require_sizes(data, (1, 4))
    with pytest.raises(DatasetError, match="at least 1, got 0"):
        require_sizes(data, (1, 0))


def test_a_curve_by_hand() -> None:
    """The person is in x at 0.5; a stranger in y is more similar, and each smaller gallery is drawn from the rest."""
    scenes = [shows("q", [1]), shows("x", [1]), shows("y", [2])]
    data = dataset(scenes, query())
    row = Observations(
        weights="f" * 64,
        detections={"x": detected([0.5]), "y": detected([0.9])},
        boxes={"q": np.array([A], np.float32)},
        embeddings={"q": LOOK},
    )
    curve = gallery_curve({"one": row, "same": row}, data, (2, 1, 2), PRESETS["standard"])
    points = [(point.size, point.name, point.mean_average_precision, point.top1) for point in curve]
    assert points == [(1, "one", 1.0, 1.0), (1, "same", 1.0, 1.0), (2, "one", 0.5, 0.0), (2, "same", 0.5, 0.0)]
