import json

import numpy as np
import pytest

from personsearch.errors import ConfigError, DatasetError
from personsearch.evaluation import PRESETS, evaluate, truth_as_detections
from personsearch.evaluation.gallery_sizes import with_gallery_size
from personsearch.evaluation.search import evaluate_search
from tests.evaluation.toy import LOOK, A, B, dataset, found, listing, query, scene, shows

SCENES = [shows("q", [1]), shows("x", [1, 2]), shows("y", [1])]
DETECTIONS = {"q": found([1.0]), "x": found([0.8, 0.9]), "y": found([0.7])}


def test_a_report_says_which_protocol_it_is_of() -> None:
    data = dataset(SCENES, query())
    report = evaluate(DETECTIONS, data, "seqnet", query_embeddings=LOOK, name="toy weights", weights="abc")
    assert report.label == f"seqnet ({PRESETS['seqnet'].hash})"
    told = json.loads(json.dumps(report.to_dict()))
    assert (told["preset"], told["hash"], told["rules"]) == ("seqnet", report.rules.hash, report.rules.switches)
    assert (told["name"], told["weights"], told["dataset"], told["digest"]) == (
        "toy weights",
        "abc",
        "toy",
        data.digest,
    )
    assert (told["scenes"], told["queries"], told["queries_counted"], told["people"]) == (3, 1, 1, 4)
    assert told["figures"] == report.figures()
    assert list(report.figures()) == ["AP", "recall", "mAP", "top1", "top5", "top10"]
    assert report.figures()["mAP"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert report.figures()["recall"] == 1.0


def test_rules_of_one_s_own() -> None:
    mine = PRESETS["standard"].changed(ties="last")
    assert evaluate(DETECTIONS, dataset(SCENES, query()), mine, query_embeddings=LOOK).rules is mine
    with pytest.raises(ConfigError, match="no preset 'mine'"):
        evaluate(DETECTIONS, dataset(SCENES, query()), "mine", query_embeddings=LOOK)


def test_a_set_without_queries_has_detection_figures_only() -> None:
    report = evaluate(DETECTIONS, dataset(SCENES))
    assert report.search is None
    assert list(report.figures()) == ["AP", "recall"]
    assert report.to_dict()["queries_counted"] == 0
    with pytest.raises(DatasetError, match="has 1 queries; give the embedding of each"):
        evaluate(DETECTIONS, dataset(SCENES, query()))


def test_annotated_boxes_as_detections_are_the_upper_bound() -> None:
    data = dataset([*SCENES[:2], scene("y", [B, A], [-1, 1], ignore=[True, False])], query())
    one, two, other = np.eye(3, dtype=np.float32)
    people = {"q": np.stack([one]), "x": np.stack([one, two]), "y": np.stack([other, one])}
    truth = truth_as_detections(data, people)
    assert len(truth["y"]) == 1  # without the ignored box
    report = evaluate(truth, data, query_embeddings=one[None])
    assert set(report.figures().values()) == {1.0}
    with pytest.raises(DatasetError, match="x: 2 boxes need as many embeddings, got 1"):
        truth_as_detections(data, {**people, "x": people["q"]})
    with pytest.raises(DatasetError, match="q: 1 boxes need as many embeddings, got none"):
        truth_as_detections(data, {})


def many(queries: int = 3) -> tuple:
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
    detections = {one.image_id: found([float(rng.random())]) for one in scenes}
    data, look = dataset(scenes, *queries), np.repeat(LOOK, 3, axis=0)
    whole = evaluate_search(detections, data, look)
    listed = evaluate_search(detections, with_gallery_size(data, 11), look)
    assert listed.average_precisions.tolist() == whole.average_precisions.tolist()
    with pytest.raises(DatasetError, match="can be looked for in 11 images at most, not in 12"):
        with_gallery_size(data, 12)
    with pytest.raises(DatasetError, match="must be 1 or more"):
        with_gallery_size(data, 0)


def test_a_person_of_more_images_than_the_size_keeps_them_all() -> None:
    scenes, queries = many(1)
    [one] = with_gallery_size(dataset(scenes, *queries), 2).queries
    assert sorted(one.gallery.image_ids) == ["s3", "s6", "s9"]


def test_galleries_are_drawn_from_the_lists_of_the_set() -> None:
    listed = query(gallery=listing(("x", A), ("x", A), ("q", A), ("y", None)))
    [one] = with_gallery_size(dataset(SCENES, listed), 2).queries
    assert one.gallery.image_ids == ("x", "y")
    assert one.gallery.boxes[0].tolist() == A
    assert np.isnan(one.gallery.boxes[1]).all()
