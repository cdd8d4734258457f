"""What must hold for any data: order does not matter, and mistakes never help."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch import Detections
from personsearch.datasets import Dataset, GalleryList, Query
from personsearch.evaluation import PRESETS, Rules, evaluate_detection, evaluate_search
from tests.evaluation.worlds import seeds, vectors, world

FAR = [80.0, 80, 99, 99]


def lenient(preset: str) -> Rules:
    rules = PRESETS[preset]
    return rules.changed(absent_person="zero") if rules.absent_person == "error" else rules


def on_a_detection(query: Query, detections: dict[str, Detections]) -> Query:
    people = detections.get(query.image_id)
    return query if people is None or not len(people) else replace(query, box=people.boxes[0])


def shuffled_list(query: Query, rng: np.random.Generator) -> Query:
    if query.gallery is None:
        return query
    order = rng.permutation(len(query.gallery.image_ids))
    names = tuple(query.gallery.image_ids[i] for i in order)
    return replace(query, gallery=GalleryList(image_ids=names, boxes=query.gallery.boxes[order]))


@pytest.mark.parametrize("preset", PRESETS)
@given(seed=seeds(), lists=st.booleans())
@settings(max_examples=25, deadline=None)
def test_order_changes_nothing(preset: str, seed: int, lists: bool) -> None:
    rules = lenient(preset)
    data, detections, embeddings = world(seed, lists=lists, ties=False, repeats=False)
    if rules.query_feature == "detection":  # which of several that do not overlap the query is nearest is chance
        queries = [on_a_detection(query, detections) for query in data.queries]
        data = replace(data, queries=tuple(queries))
    rng = np.random.default_rng(seed)
    by_query = rng.permutation(len(data.queries))
    scenes = tuple(data.scenes[i] for i in rng.permutation(len(data.scenes)))
    other = replace(data, scenes=scenes, queries=tuple(shuffled_list(data.queries[i], rng) for i in by_query))
    mixed = {name: people[rng.permutation(len(people))] for name, people in reversed(detections.items())}
    one = evaluate_search(detections, data, embeddings, rules)
    two = evaluate_search(mixed, other, embeddings[by_query], rules)
    np.testing.assert_allclose(two.average_precisions, one.average_precisions[by_query], atol=1e-12)
    np.testing.assert_array_equal(two.first_ranks, one.first_ranks[by_query])
    assert two.mean_average_precision == pytest.approx(one.mean_average_precision, abs=1e-12, nan_ok=True)
    assert two.top == pytest.approx(one.top, nan_ok=True)
    found_one = evaluate_detection(detections, data.scenes, rules)
    found_two = evaluate_detection(mixed, other.scenes, rules)
    assert (found_two.ap, found_two.recall) == pytest.approx((found_one.ap, found_one.recall), abs=1e-12, nan_ok=True)


@given(seed=seeds(), lists=st.booleans())
@settings(max_examples=40, deadline=None)
def test_strict_does_not_depend_on_order_even_where_similarities_are_equal(seed: int, lists: bool) -> None:
    data, detections, embeddings = world(seed, lists=lists)
    other = replace(data, scenes=data.scenes[::-1])
    one = evaluate_search(detections, data, embeddings, PRESETS["strict"])
    two = evaluate_search(detections, other, embeddings, PRESETS["strict"])
    np.testing.assert_allclose(two.average_precisions, one.average_precisions, atol=1e-12)
    np.testing.assert_array_equal(two.first_ranks, one.first_ranks)


@given(seed=seeds(), lists=st.booleans())
@settings(max_examples=60, deadline=None)
def test_average_precision_is_at_most_recall(seed: int, lists: bool) -> None:
    data, detections, embeddings = world(seed, lists=lists)
    result = evaluate_search(detections, data, embeddings, lenient("standard"))
    assert (result.average_precisions <= result.found / np.maximum(result.appearances, 1) + 1e-12).all()
    detected = evaluate_detection(detections, data.scenes)
    if detected.people:
        assert detected.ap <= detected.recall + 1e-12
    else:  # nobody is annotated: neither counted anything
        assert np.isnan([detected.ap, detected.recall]).all()


def with_one_more(
    data: Dataset, detections: dict[str, Detections], embeddings: np.ndarray, rng: np.random.Generator
) -> dict[str, Detections]:
    """Return the detections with one more where nobody is, but not in a query's own image, where the nearest counts."""
    own = {query.image_id for query in data.queries}
    names = [scene.image_id for scene in data.scenes if scene.image_id not in own]
    if not names:
        return detections
    name, dim = names[rng.integers(len(names))], embeddings.shape[1]
    old = detections.get(name)
    before = old if old is not None else replace(next(iter(detections.values()))[[]], image_id=name)
    vector = embeddings[:1] if rng.random() < 0.5 else vectors(rng, 1, dim)
    added = Detections(
        boxes=np.append(before.boxes, np.array([FAR], np.float32), axis=0),
        scores=np.append(before.scores, np.float32(rng.integers(1, 17) / 16)),
        embeddings=np.append(before.embeddings, vector, axis=0),
        image_size=before.image_size,
    )
    return {**detections, name: added}


@pytest.mark.parametrize("preset", PRESETS)
@given(seed=seeds(), lists=st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_false_match_never_raises_average_precision(preset: str, seed: int, lists: bool) -> None:
    rules = lenient(preset)
    data, detections, embeddings = world(seed, lists=lists)
    if not detections:
        return
    more = with_one_more(data, detections, embeddings, np.random.default_rng(seed))
    before = evaluate_search(detections, data, embeddings, rules)
    after = evaluate_search(more, data, embeddings, rules)
    counted = ~np.isnan(before.average_precisions)
    assert (after.average_precisions[counted] <= before.average_precisions[counted] + 1e-12).all()
    assert (after.first_ranks[counted] >= before.first_ranks[counted]).all()
    one, two = evaluate_detection(detections, data.scenes, rules), evaluate_detection(more, data.scenes, rules)
    assert two.ap <= one.ap + 1e-12 or not one.people  # a rule may leave out scenes without detections
