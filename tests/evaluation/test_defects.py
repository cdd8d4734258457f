"""Known defects of evaluators and sets: the matching preset reproduces each of them, ``strict`` has none.

One test per row of the list in docs/protocols.md.
"""

from dataclasses import replace

import numpy as np
import pytest

from personsearch import Detections
from personsearch.datasets import Dataset, GalleryList, Query, Scene
from personsearch.errors import DatasetError
from personsearch.evaluation import PRESETS, Rules, evaluate_detection, evaluate_search
from personsearch.evaluation.gallery_sizes import with_gallery_size
from tests.evaluation.toy import LOOK, A, B, as_read, dataset, detected, listing, query, scene, shows
from tests.support import SHARED

STANDARD, SEQNET, ALIGNPS, AUTHOR, STRICT = (
    PRESETS[name] for name in ("standard", "seqnet", "alignps", "stl-author", "strict")
)


def test_an_image_that_a_list_names_twice() -> None:
    scenes = [shows("q", [1]), shows("x", [1]), shows("y", [1]), shows("z", [2])]
    twice = query(gallery=listing(("x", A), ("x", A), ("y", A), ("z", None)))
    detections = {"x": detected([0.9]), "y": detected([0.7]), "z": detected([0.8])}

    def outcome(preset: str, changed: dict[str, Detections] = detections) -> tuple[float, int, int]:
        result = evaluate_search(changed, dataset(scenes, twice), LOOK, PRESETS[preset])
        return result.mean_average_precision, int(result.appearances[0]), int(result.found[0])

    # ranked twice: right, right, wrong, right; the first two are one threshold
    scored_twice = (1 + 1 + 3 / 4) / 3
    assert outcome("standard") == pytest.approx((scored_twice, 3, 3))
    assert outcome("alignps", {**detections, "q": detected([1.0])}) == pytest.approx((scored_twice, 3, 3))
    assert outcome("seqnet") == pytest.approx(((1 + 2 / 3) / 3, 3, 2))  # counts twice, scored once
    assert outcome("strict") == pytest.approx(((1 + 2 / 3) / 2, 2, 2))
    perfect = {"x": detected([0.9]), "y": detected([0.8]), "z": detected([0.1])}
    assert outcome("seqnet", perfect)[0] == pytest.approx(2 / 3)  # a perfect model cannot reach 1
    assert outcome("standard", perfect)[0] == outcome("strict", perfect)[0] == 1.0


def test_a_query_s_own_image_in_its_list() -> None:
    scenes = [shows("q", [1]), shows("x", [1]), shows("y", [2])]
    own = query(gallery=listing(("q", A), ("x", A), ("y", None)))
    detections = {"q": detected([1.0]), "x": detected([0.5]), "y": detected([0.7])}
    for rules in (STANDARD, SEQNET, ALIGNPS, AUTHOR):
        result = evaluate_search(detections, dataset(scenes, own), LOOK, rules)
        assert (result.top[1], result.appearances.tolist()) == (1.0, [2])  # the free hit
        assert result.mean_average_precision == pytest.approx((1 + 2 / 3) / 2)
    strict = evaluate_search(detections, dataset(scenes, own), LOOK, STRICT)
    assert (strict.top[1], strict.mean_average_precision) == (0.0, 0.5)


def test_the_query_feature_of_the_nearest_detection() -> None:
    # the query's box lies between two detections of its image; the nearer one looks like the stranger in x
    scenes = [shows("q", [1]), shows("x", [1, 2])]
    detections = {
        "q": detected([1.0, 0.0], [[0, 4, 20, 44], [0, 1, 20, 41]], scores=[0.9, 0.01]),
        "x": detected([1.0, 0.0]),
    }
    assert evaluate_search(detections, dataset(scenes, query()), LOOK, STANDARD).top[1] == 1.0
    assert evaluate_search(detections, dataset(scenes, query()), LOOK, ALIGNPS).top[1] == 0.0
    # pixels counted inclusively make small boxes nearer: IoU of 1x1 in 2x1 is 1/2, with the inclusive pixel 4/6
    tiny = replace(query(), box=np.array([0, 0, 1, 1], np.float32))
    others = {**detections, "q": detected([1.0, 0.0], [[0, 0, 2, 1], [0, 0, 1.8, 1.2]])}
    assert evaluate_search(others, dataset(scenes, tiny), LOOK, ALIGNPS).top[1] == 1.0


def test_score_thresholds_differ_between_sets() -> None:
    scenes = [shows("q", [1]), shows("x", [1])]
    detections = {"q": detected([1.0]), "x": detected([0.9], scores=[0.17])}
    everywhere, listed = query(), query(gallery=listing(("x", A)))
    assert evaluate_search(detections, dataset(scenes, everywhere), LOOK, ALIGNPS).mean_average_precision == 1.0
    assert evaluate_search(detections, dataset(scenes, listed), LOOK, ALIGNPS).mean_average_precision == 0.0
    assert evaluate_search(detections, dataset(scenes, everywhere), LOOK, STRICT).mean_average_precision == 0.0


def test_queries_without_a_detection_are_skipped() -> None:
    scenes = [shows("q", [1]), shows("r", [2]), shows("x", [1]), shows("y", [2])]
    data = dataset(scenes, query(1, "q"), query(2, "r"))
    detections, two = {"q": detected([1.0]), "x": detected([1.0]), "y": detected([0.2])}, np.repeat(LOOK, 2, axis=0)
    pstr = ALIGNPS.changed(undetected_query="skip")
    shrunk = evaluate_search(detections, data, two, pstr)
    assert (shrunk.mean_average_precision, shrunk.queries) == (1.0, 1)
    kept = evaluate_search(detections, data, two, ALIGNPS)
    assert (kept.mean_average_precision, kept.queries) == (0.5, 2)
    assert evaluate_search(detections, data, two, STRICT).queries == 2


def test_the_full_set_has_no_image_twice() -> None:
    scenes = [shows("q", [1]), shows("x", [1]), shows("y", [2]), shows("z", [2])]
    listed = query(gallery=listing(("x", A), ("x", A), ("y", None)))
    with_rest = replace(dataset(scenes, listed), queries=(replace(listed, gallery=None),))
    full = with_gallery_size(with_rest, 3)
    assert sorted(full.queries[0].gallery.image_ids) == ["x", "y", "z"]
    detections = {"x": detected([0.5]), "y": detected([0.6]), "z": detected([0.7])}
    for rules in (STANDARD, SEQNET, STRICT):
        assert evaluate_search(detections, full, LOOK, rules).mean_average_precision == pytest.approx(1 / 3)


def test_rankings_of_fewer_than_ten() -> None:
    scenes = [shows("q", [1]), shows("x", [1])]
    for rules in (STANDARD, SEQNET, STRICT):
        [best] = evaluate_search({"x": detected([0.5])}, dataset(scenes, query()), LOOK, rules).best
        assert len(best) == 1


def test_a_person_who_is_nowhere_causes_no_division_by_zero() -> None:
    data = dataset([shows("q", [1]), shows("x", [2])], query())
    with pytest.raises(DatasetError, match="person 1 in 'q'"):
        evaluate_search({"x": detected([0.5])}, data, LOOK, SEQNET)
    strict = evaluate_search({"x": detected([0.5])}, data, LOOK, STRICT)
    assert strict.queries == 0
    assert np.isnan([strict.mean_average_precision, *strict.top.values()]).all()  # 0 of 0 is not 0
    assert strict.left_out == {"the person is only in the query's own image": 1}


def test_scenes_without_detections_are_not_an_error() -> None:
    empty = detected([])
    result = evaluate_detection({"x": empty, "y": detected([0.1])}, [shows("x", [1]), shows("y", [1])], SEQNET)
    assert (result.recall, result.people) == (0.5, 2)


def test_labelled_only_loses_identity_zero() -> None:
    scenes, detections = [shows("x", [0, 1])], {"x": detected([0.1], [B])}
    assert evaluate_detection(detections, scenes, STANDARD.changed(first_label=1)).labelled_recall == 1.0
    for rules in (STANDARD, SEQNET, STRICT):
        assert evaluate_detection(detections, scenes, rules).labelled_recall == 0.5


def test_the_query_s_own_frame_in_a_search_of_the_same_camera() -> None:
    scenes = [shows("q", [1], "1"), shows("x", [1], "1"), shows("y", [2], "1"), shows("z", [1], "2")]
    detections = {"q": detected([1.0]), "x": detected([0.5]), "y": detected([0.6]), "z": detected([0.9])}
    gfn = STANDARD.changed(cameras="same-frames", own_image="keep")
    assert evaluate_search(detections, dataset(scenes, query()), LOOK, gfn).top[1] == 1.0
    for rules in (STANDARD, STRICT):
        same = rules.changed(cameras="same-frames")
        assert evaluate_search(detections, dataset(scenes, query()), LOOK, same).top[1] == 0.0


def test_two_different_figures_are_called_cross_camera() -> None:
    # a: the query's camera, with a stranger who looks like the query
    scenes = [shows("q", [1], "1"), shows("a", [2], "1"), shows("b", [1], "2")]
    detections = {"a": detected([0.9]), "b": detected([0.5])}
    frames, junk = PRESETS["cross-camera-frames"], PRESETS["cross-camera-junk"]
    assert evaluate_search(detections, dataset(scenes, query()), LOOK, frames).mean_average_precision == 1.0
    # by trapezoid: precision 0 before and 1/2 at the match
    assert evaluate_search(detections, dataset(scenes, query()), LOOK, junk).mean_average_precision == 0.25
    assert frames.hash != junk.hash
    assert frames.name != junk.name


def test_embeddings_that_are_not_of_unit_length() -> None:
    loud = replace(detected([0.5]), embeddings=np.array([[9.0, 0.0]], np.float32))
    with pytest.raises(DatasetError, match="divide each embedding by its length"):
        evaluate_search({"x": loud}, dataset([shows("q", [1]), shows("x", [1])], query()), LOOK, STRICT)


def test_the_author_counts_every_detection_of_a_person() -> None:
    scenes = [shows("q", [1]), shows("x", [1])]
    twice = {"x": detected([0.9, 0.8], [A, [0, 0, 20, 36]])}
    assert evaluate_search(twice, dataset(scenes, query()), LOOK, AUTHOR).mean_average_precision == 2.0
    strict = evaluate_search(twice, dataset(scenes, query()), LOOK, STRICT)
    assert (strict.mean_average_precision, strict.found.tolist()) == (1.0, [1])


def test_the_author_s_threshold_is_strict_and_takes_the_best_overlap() -> None:
    data = dataset([shows("q", [1]), shows("x", [1])], query())
    half = {"x": detected([0.9], [[0, 0, 20, 20]])}  # IoU of exactly 1/2
    assert evaluate_search(half, data, LOOK, AUTHOR).mean_average_precision == 0.0
    assert evaluate_search(half, data, LOOK, STRICT).mean_average_precision == 1.0
    # a detection that overlaps an unlabelled neighbour better than the person is the neighbour's
    crowd = dataset([shows("q", [1]), scene("x", [A, [0, 0, 20, 30]], [1, -1])], query())
    between = {"x": detected([0.9], [[0, 0, 20, 32]])}
    assert evaluate_search(between, crowd, LOOK, AUTHOR).mean_average_precision == 0.0
    assert evaluate_search(between, crowd, LOOK, STRICT).mean_average_precision == 1.0


@pytest.mark.parametrize("scenes", [[shows("x", [1, 1])], [as_read(shows("x", [1, 1]))]])
def test_the_author_deletes_repeated_identities(scenes: list[Scene]) -> None:
    detections = {"x": detected([0.9, 0.8])}
    author = evaluate_detection(detections, scenes, AUTHOR)
    assert (author.people, author.hits.tolist()) == (1, [True, False])
    assert evaluate_detection(detections, scenes, STRICT).hits.tolist() == [True, True]
    assert evaluate_detection(detections, scenes, STRICT).people == 2


def test_a_deleted_box_no_longer_takes_detections_from_the_one_that_stays() -> None:
    # 20 wide, from 0: the person down to 40 and again down to 30, a detection down to 32. IoU 32/40 and 30/32.
    twice = as_read(scene("x", [A, [0, 0, 20, 30]], [1, 1]))
    assert twice.identities.tolist() == [1, -1]
    data, between = dataset([shows("q", [1]), twice], query()), {"x": detected([0.9], [[0, 0, 20, 32]])}
    assert evaluate_search(between, data, LOOK, AUTHOR).mean_average_precision == 1.0
    kept = AUTHOR.changed(repeated_identity="first")
    assert evaluate_search(between, data, LOOK, kept).mean_average_precision == 0.0  # it is the unlabelled box's
    assert evaluate_search(between, data, LOOK, STANDARD).mean_average_precision == 1.0


def test_the_author_skips_scenes_without_detections() -> None:
    scenes, detections = [shows("x", [1]), shows("y", [1])], {"x": detected([0.9])}
    assert evaluate_detection(detections, scenes, AUTHOR).recall == 1.0
    assert evaluate_detection(detections, scenes, STRICT).recall == 0.5


@pytest.fixture(scope="module")
def cuhk() -> tuple[Dataset, dict[str, Detections], np.ndarray]:
    """Some of the official lists of gallery size 100, including the odd ones, and a model that makes no mistakes."""
    path = SHARED / "cuhk-sysu-protocol/TestG100.mat"
    if not path.is_file():
        pytest.skip(f"{path} does not exist")
    from scipy.io import loadmat

    rng = np.random.default_rng(0)
    items = loadmat(str(path))["TestG100"].squeeze()
    embeddings = rng.normal(size=(len(items), 64)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    people: dict[str, dict[tuple[float, ...], int]] = {}
    queries = []
    for number, item in enumerate(items):
        listed = {str(entry["imname"][0]) for entry in item["Gallery"].squeeze()}
        if number % 10 and len(listed) == 100 and str(item["Query"][0, 0]["imname"][0]) not in listed:
            continue
        names, boxes = [], []
        for entry in item["Gallery"].squeeze():
            x, y, w, h = entry["idlocate"].ravel().astype(float) if entry["idlocate"].size else [np.nan] * 4
            names.append(str(entry["imname"][0]))
            boxes.append((x, y, x + w, y + h))
            people.setdefault(names[-1], {})
            if entry["idlocate"].size:
                people[names[-1]][boxes[-1]] = number
        asked = item["Query"][0, 0]
        x, y, w, h = asked["idlocate"].ravel().astype(float)
        gallery = GalleryList(image_ids=tuple(names), boxes=np.array(boxes, np.float32))
        image_id = str(asked["imname"][0])
        people.setdefault(image_id, {})[x, y, x + w, y + h] = number
        queries.append(
            Query(image_id=image_id, box=np.array([x, y, x + w, y + h], np.float32), identity=number, gallery=gallery)
        )
    scenes = [scene(name, [list(box) for box in here], list(here.values())) for name, here in people.items()]
    detections = {
        one.image_id: Detections(
            boxes=one.boxes,
            scores=np.ones(len(one.boxes), np.float32),
            embeddings=embeddings[one.identities],
            image_size=(100, 100),
        )
        for one in scenes
    }
    return dataset(scenes, *queries), detections, embeddings[[one.identity for one in queries]]


def test_a_perfect_model_on_the_official_lists(cuhk: tuple[Dataset, dict[str, Detections], np.ndarray]) -> None:
    data, detections, embeddings = cuhk
    names = ("standard", "seqnet", "strict")
    identities = np.array([one.identity for one in data.queries])
    results = {name: evaluate_search(detections, data, embeddings, PRESETS[name]) for name in names}
    short = {name: identities[result.average_precisions < 1 - 1e-9].tolist() for name, result in results.items()}
    # 1250 lists one box twice; 1633, 1997 and 2561 list an image with two boxes, one of which is false each time;
    # 493 has its own image in the list with another box than the query's, so that the query itself is a false match
    assert short == {"standard": [493, 1633, 1997, 2561], "seqnet": [493, 1250, 1633, 1997, 2561], "strict": []}
    assert results["seqnet"].average_precisions[identities == 1250] == 0.5
    assert results["strict"].mean_average_precision == 1.0
    fewer = identities[results["strict"].appearances < results["standard"].appearances]
    assert fewer.tolist() == [493, 1250, 2132]


def test_two_boxes_of_the_person_in_an_image_that_is_listed_twice() -> None:
    scenes = [shows("q", [1]), shows("x", [1, 1]), shows("y", [2])]
    both = query(gallery=listing(("x", A), ("x", B), ("y", None)))
    detections = {"x": detected([0.9, 0.8]), "y": detected([0.1])}

    def outcome(rules: Rules) -> tuple[float, int, int]:
        result = evaluate_search(detections, dataset(scenes, both), LOOK, rules)
        return result.mean_average_precision, int(result.appearances[0]), int(result.found[0])

    # ranked twice: A right and wrong, then B wrong and right
    assert outcome(STANDARD) == pytest.approx(((1 / 2 + 2 / 4) / 2, 2, 2))
    assert outcome(SEQNET) == pytest.approx((1 / 2, 2, 1))
    assert outcome(STRICT) == (1.0, 2, 2)
