"""Whatever a set and its detections are: a figure is a fraction, or NaN exactly where nothing was counted."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch import Detections
from personsearch.datasets import Dataset
from personsearch.evaluation import PRESETS, evaluate, evaluate_detection, evaluate_reid, evaluate_search
from personsearch.evaluation.open_set import open_set
from personsearch.evaluation.spaces import SearchSpaces
from tests.evaluation.test_laws import lenient
from tests.evaluation.worlds import seeds, world


def poorer(
    seed: int, *, lists: bool, nobody: bool, undetected: bool, ignored: bool
) -> tuple[Dataset, dict[str, Detections], np.ndarray]:
    """Return a random world from which annotations, detections or everybody's right to count are taken."""
    data, detections, embeddings = world(seed, lists=lists)
    if nobody:
        bare = {"boxes": np.zeros((0, 4), np.float32), "identities": np.zeros(0, int), "ignore": np.zeros(0, bool)}
        data = replace(data, scenes=tuple(replace(scene, **bare) for scene in data.scenes))
    if ignored:
        data = replace(data, scenes=tuple(replace(s, ignore=np.ones_like(s.ignore)) for s in data.scenes))
    return data, {} if undetected else detections, embeddings


def is_fraction_or_nan(value: float, *, counted: bool) -> bool:
    return 0 <= value <= 1 + 1e-12 if counted else math.isnan(value)


SELDOM = st.sampled_from([False, False, False, True])
KINDS = {"lists": st.booleans(), "nobody": SELDOM, "undetected": SELDOM, "ignored": SELDOM}


@pytest.mark.parametrize("preset", PRESETS)
@given(seed=seeds(), kinds=st.fixed_dictionaries(KINDS))
@settings(max_examples=25, deadline=None)
def test_figures_are_fractions_or_counted_nothing(preset: str, seed: int, kinds: dict[str, bool]) -> None:
    rules = lenient(preset).changed(absent_person="skip")
    data, detections, embeddings = poorer(seed, **kinds)
    search = evaluate_search(detections, data, embeddings, rules)
    assert search.queries + sum(search.left_out.values()) == len(data.queries)
    assert all(count > 0 for count in search.left_out.values())
    assert search.queries == (~np.isnan(search.average_precisions)).sum()
    counted = search.queries > 0
    assert all(is_fraction_or_nan(value, counted=counted) for value in search.top.values())
    if rules.positives == "first":  # with "every", AP may exceed 1, as the defect has it
        assert is_fraction_or_nan(search.mean_average_precision, counted=counted)
    assert math.isnan(search.mean_average_precision) != counted
    spaces = SearchSpaces(data, rules)
    for number in range(len(data.queries)):
        assert (spaces.absence(number) is None) == (spaces.of(number).appearances > 0)
    detected = evaluate_detection(detections, data.scenes, rules)
    assert is_fraction_or_nan(detected.ap, counted=detected.people > 0)
    assert is_fraction_or_nan(detected.recall, counted=detected.people > 0)
    assert is_fraction_or_nan(detected.labelled_recall, counted=detected.labelled > 0)
    report = evaluate(detections, data, rules, query_embeddings=embeddings)
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert told["queries"] == told["queries_counted"] + sum(told["queries_left_out"].values())
    for name, value in report.figures().items():
        assert told["figures"][name] == (None if math.isnan(value) else value)


@pytest.mark.parametrize("preset", ["standard", "alignps", "cross-camera-junk"])
@given(seed=seeds(), kinds=st.fixed_dictionaries(KINDS), skip=st.booleans())
@settings(max_examples=25, deadline=None)
def test_every_query_has_a_trial_or_is_counted_as_having_none(
    preset: str, seed: int, kinds: dict[str, bool], skip: bool
) -> None:
    rules = lenient(preset).changed(undetected_query="skip" if skip else "zero")
    data, detections, embeddings = poorer(seed, **kinds)
    result = open_set(detections, data, embeddings, rules)
    assert len(result.genuine) + result.without_trial == len(data.queries)
    assert len(result.impostor) == len(data.queries) or skip
    rates, shares = result.curve()
    assert len(rates) == len(shares) == len(result.impostor) + 1
    assert np.isnan(shares).all() if not len(result.genuine) else ((shares >= 0) & (shares <= 1)).all()


@given(
    st.lists(
        st.tuples(st.integers(-1, 3), st.sampled_from([None, "a", "b"]), st.booleans(), st.booleans()),
        min_size=1,
        max_size=12,
    ),
    st.booleans(),
    seeds(),
)
@settings(max_examples=60, deadline=None)
def test_query_crops_count_or_are_left_out(
    crops: list[tuple[int, str | None, bool, bool]], same_camera: bool, seed: int
) -> None:
    identities, cameras, is_query, is_ranked = zip(*crops, strict=True)
    rows = np.random.default_rng(seed).normal(size=(len(crops), 3))
    embeddings = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    asked = np.array(is_query)
    result = evaluate_reid(
        embeddings,
        np.array(identities),
        cameras,
        asked,
        same_camera=same_camera,
        is_ranked=np.array(is_ranked),
    )
    assert result.asked == result.queries + sum(result.left_out.values()) == asked.sum()
    for value in (result.mean_average_precision, result.top1):
        assert is_fraction_or_nan(value, counted=result.queries > 0)
