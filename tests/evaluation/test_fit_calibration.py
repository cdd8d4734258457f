from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from personsearch import Detections
from personsearch.calibration import Calibration, Threshold
from personsearch.datasets import Query, Scene
from personsearch.datasets.dataset import Accounting, Dataset
from personsearch.errors import ConfigError, DatasetError
from personsearch.evaluation import fit_calibration as fitting
from personsearch.evaluation import pairs
from personsearch.evaluation.fit_calibration import check_calibration, fit_calibration
from personsearch.evaluation.observations import Observations
from tests.evaluation import toy
from tests.evaluation.sphere import people_on_a_sphere

A = [0.0, 0, 20, 40]
SPOTS = [[25.0 * n, 0, 25.0 * n + 20, 40] for n in range(4)]


def dataset(scenes: list[Scene], queries: list[Query]) -> Dataset:
    return Dataset(
        name="toys", scenes=tuple(scenes), queries=tuple(queries), accounting=Accounting(rows=len(scenes), kept=0)
    )


def detected(similarities: list[float], boxes: list[list[float]] | None = None, score: float = 0.9) -> Detections:
    """Detections whose dot product with (1, 0) is as given."""
    cos = np.array(similarities, np.float32)
    return Detections(
        boxes=np.array(boxes or SPOTS[: len(cos)], np.float32).reshape(-1, 4),
        scores=np.full(len(cos), score, np.float32),
        embeddings=np.stack([cos, np.sqrt(1 - cos**2)], axis=1),
        image_size=(100, 100),
    )


def observed(data: Dataset, detections: dict[str, Detections]) -> Observations:
    """Every query looks along (1, 0)."""
    return Observations(
        weights="f" * 64,
        detections=detections,
        boxes={query.image_id: query.box[None] for query in data.queries},
        embeddings={query.image_id: np.array([[1, 0]], np.float32) for query in data.queries},
    )


QUERY = Query(image_id="q", box=np.array(A, np.float32), identity=1)
BIN = 1 / pairs.BINS


def test_by_hand() -> None:
    # By similarity: different 0.1 | same 0.5, different 0.7 (pooled to 1/2) | same 0.9.
    # A single pair proves nothing: 0 of 1 becomes 1/3, 1 of 1 becomes 2/3.
    data = dataset(
        [toy.scene("q", [A], [1]), toy.scene("x", SPOTS[:2], [1, 2]), toy.scene("y", SPOTS[:2], [1, -1])], [QUERY]
    )
    fitted = fit_calibration(
        observed(data, {"q": detected([1.0]), "x": detected([0.9, 0.1]), "y": detected([0.5, 0.7])}), data
    )
    assert fitted.similarities == pytest.approx((0.1, 0.6, 0.9), abs=BIN)
    assert fitted.probabilities == pytest.approx((1 / 3, 1 / 2, 2 / 3))
    assert (fitted.same_pairs, fitted.different_pairs, fitted.identities) == (2, 2, 2)
    assert (fitted.weights, fitted.dataset, fitted.digest) == ("f" * 64, "toys", data.digest)
    assert [threshold.similarity for threshold in fitted.thresholds] == [None, None, None]


@pytest.mark.parametrize(
    ("probability", "pairs", "limited"),
    [
        ([0, 1], [1, 1], [1 / 3, 2 / 3]),
        ([0, 0.5, 1], [8, 4, 18], [1 / 10, 0.5, 19 / 20]),
        ([0.25], [4], [0.25]),  # a single step has both kinds, so it is neither 0 nor 1
        ([0, 0.001, 0.5, 0.9], [2, 1000, 10, 10], [0.001, 0.001, 0.5, 0.9]),  # 1/4 would overrule a thousand pairs
        ([0.1, 0.5, 0.999, 1], [10, 10, 1000, 1], [0.1, 0.5, 0.999, 0.999]),  # so would 2/3
        ([0.01, 0.99], [100, 100], [0.01, 0.99]),  # steps with an exception are what they are
    ],
)
def test_end_steps_are_never_certain_and_change_no_other(
    probability: list[float], pairs: list[int], limited: list[float]
) -> None:
    found = fitting._never_certain(np.array(probability, float), np.array(pairs, float))
    assert found == pytest.approx(limited)


def counted(similarities: np.ndarray) -> np.ndarray:
    return np.bincount(pairs.bin_of(similarities), minlength=pairs.BINS)


def test_one_pair_does_not_spoil_a_calibration() -> None:
    """One of 2,000 true pairs that looks like a stranger, or one stranger that looks like a true pair."""
    rng = np.random.default_rng(0)
    same, different = rng.normal(0.7, 0.1, 2000).clip(-1, 1), rng.normal(0.1, 0.15, 200_000).clip(-1, 1)
    odd_same, odd_different = same.copy(), different.copy()
    odd_same[0] = np.sort(different)[2]  # only two strangers are below it
    odd_different[0] = np.sort(same)[-2]  # only one true pair is above it
    at = np.array([-0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 0.95])
    fits = [(same, different), (odd_same, different), (same, odd_different)]
    plain, one_low, one_high = (np.interp(at, *fitting._isotonic(counted(s), counted(d))) for s, d in fits)
    assert plain[0] < 1e-4 < 0.99 < plain[-1]
    np.testing.assert_allclose(one_low, plain, atol=2e-4)
    np.testing.assert_allclose(one_high, plain, atol=5e-3)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_probabilities_rise_and_are_never_certain(counts: list[tuple[int, int]]) -> None:
    same, different = np.zeros((2, pairs.BINS), np.int64)
    same[: len(counts)], different[: len(counts)] = zip(*counts, strict=True)
    if not same.any() or not different.any():
        return
    knots, probabilities = fitting._isotonic(same, different)
    assert (np.diff(knots) > 0).all()
    assert (np.diff(probabilities) >= 0).all()
    assert 0 < probabilities[0] <= probabilities[-1] < 1


def test_what_is_not_a_pair() -> None:
    scenes = [
        toy.scene("q", SPOTS[:2], [1, 2]),  # the query's own scene
        toy.scene("x", SPOTS, [1, 3, -1, -1], ignore=[False, False, False, True]),  # the last is ignored
        toy.scene("y", [], []),
    ]
    data = dataset(scenes, [QUERY])
    detections = {
        "q": detected([1.0, 0.2]),
        "x": detected([0.9, 0.8, 0.1, 0.3, 0.4], [*SPOTS, [0, 0, 20, 30]]),  # the fifth is nobody's best match
        "y": detected([0.6]),  # a false detection
    }
    fitted = fit_calibration(observed(data, detections), data)
    assert (fitted.same_pairs, fitted.different_pairs) == (1, 2)
    with pytest.raises(DatasetError, match="no pairs of one person"):
        fit_calibration(observed(data, {**detections, "x": detected([0.9], score=0.4)}), data)
    with pytest.raises(DatasetError, match="no pairs of different people"):
        fit_calibration(observed(data, {"x": detected([0.9])}), data)


def test_observations_of_another_set_are_refused() -> None:
    data = dataset([toy.scene("q", [A], [1])], [QUERY])
    other = dataset([toy.scene("q", SPOTS[1:2], [1])], [replace(QUERY, box=np.array(SPOTS[1], np.float32))])
    with pytest.raises(ConfigError, match="not of toys as it is now"):
        fit_calibration(observed(other, {}), data)


def test_a_threshold_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "ENOUGH_PEOPLE", 1)  # one query is no basis for a threshold, but for arithmetic
    # strangers at 0.00, 0.05 .. 0.95; half of them reach 0.5, so a rate of 0.5 cuts just above 0.45
    scenes = [toy.scene("q", [A], [1]), toy.scene("x", [A], [1]), toy.scene("y", [A], [1])]
    detections = {"x": detected([0.9]), "y": detected([0.2])}
    for n in range(20):
        scenes.append(toy.scene(f"{n}", [A], [n + 2]))
        detections[f"{n}"] = detected([0.05 * n])
    data = dataset(scenes, [QUERY])
    half, twentieth = fit_calibration(observed(data, detections), data, rates=(0.05, 0.5)).thresholds
    assert half.rate == 0.5
    assert 0.45 < half.similarity <= 0.4501
    assert half.low <= half.similarity <= half.high
    assert half.true_match_rate == 0.5
    assert (twentieth.rate, twentieth.similarity, twentieth.low) == (0.05, None, None)  # one pair is too few for a rate


def test_a_rate_needs_people_and_not_only_pairs() -> None:
    """30 people make 31,000 pairs: 31 of them lie above a rate of 1 in 1,000, and these are of few people."""
    data, observations = people_on_a_sphere(0, identities=30)
    hundredth, thousandth, tenth_of_that = fit_calibration(observations, data).thresholds
    assert hundredth.similarity is not None
    assert (thousandth.rate, thousandth.similarity, thousandth.low) == (1e-3, None, None)
    assert tenth_of_that.similarity is None
    data, observations = people_on_a_sphere(0, identities=60)
    assert fit_calibration(observations, data).thresholds[1].similarity is not None


def test_people_above_are_counted_on_the_side_that_has_fewer() -> None:
    tail = fitting._Tail(
        similarity=np.array([0.9, 0.8, 0.8, 0.7], np.float32),
        query=np.array([0, 0, 1, 2], np.int32),
        other=np.array([3, 4, 5, 6], np.int32),
        counts=np.zeros((3, 7), np.int32),
    )
    assert [tail.people_above(similarity) for similarity in (0.95, 0.85, 0.8, 0.1)] == [0, 1, 2, 3]


def test_intervals_contain_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "RESAMPLES", 100)
    truth = {rate: 2 * beta.ppf(1 - rate, 7.5, 7.5) - 1 for rate in (1e-2, 1e-3)}
    held = dict.fromkeys(truth, 0)
    for seed in range(12):
        data, observations = people_on_a_sphere(seed)
        fitted = fit_calibration(observations, data, rates=tuple(truth))
        for threshold in fitted.thresholds:
            held[threshold.rate] += threshold.low <= truth[threshold.rate] <= threshold.high
    # 95 % are promised; resampling the 106,000 pairs instead of the people gives 7 and 9 of 20
    assert held[1e-2] >= 10
    assert held[1e-3] >= 9


def test_every_labelled_person_is_a_query_where_the_set_has_none() -> None:
    data, observations = people_on_a_sphere(0, identities=4, scenes_each=3)
    fitted = fit_calibration(observations, data)
    assert (fitted.same_pairs, fitted.different_pairs, fitted.identities) == (4 * 3 * 2, 12 * 9, 4)
    assert (np.diff(fitted.probabilities) >= 0).all()
    assert fitted.probability(1.0) > 0.9 > 0.1 > fitted.probability(0.0)


def test_a_calibration_holds_on_its_own_set_and_on_one_like_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "RESAMPLES", 10)
    data, observations = people_on_a_sphere(2)
    fitted = fit_calibration(observations, data, rates=(1e-2, 1e-3))
    held, classes = check_calibration(fitted, observations, data)
    for one in held:
        assert 0.99 * one.threshold.rate < one.false_match_rate <= one.threshold.rate
        assert one.true_match_rate == pytest.approx(one.threshold.true_match_rate)
    assert sum(one.pairs for one in classes) == fitted.same_pairs + fitted.different_pairs
    like, observations = people_on_a_sphere(3)
    held, classes = check_calibration(fitted, observations, like)
    assert [one.false_match_rate for one in held] == pytest.approx([1e-2, 1e-3], rel=0.6)
    for one in classes:
        if one.pairs > 200:
            assert one.observed == pytest.approx(one.promised, abs=0.15)
    with pytest.raises(ConfigError, match="different weights"):
        check_calibration(replace(fitted, weights="e" * 64), observations, like)


def test_a_check_by_hand() -> None:
    # a pair of one person at 0.9, strangers at 0.1 and 0.75: the threshold 0.5 lets one of two strangers through
    data = dataset(
        [toy.scene("q", [A], [1]), toy.scene("x", SPOTS[:3], [1, 2, 3])],
        [QUERY],
    )
    observations = observed(data, {"x": detected([0.9, 0.1, 0.75])})
    calibration = Calibration(
        weights="f" * 64,
        dataset="other",
        digest="d" * 64,
        identities=2,
        same_pairs=1,
        different_pairs=2,
        similarities=(0.0, 1.0),
        probabilities=(0.25, 0.75),
        thresholds=(
            Threshold(rate=0.1, similarity=0.5, low=0.4, high=0.6, true_match_rate=0.8),
            Threshold(rate=0.01),
        ),
    )
    [held], classes = check_calibration(calibration, observations, data)
    assert (held.false_match_rate, held.true_match_rate) == (0.5, 1.0)
    # 0.3, 0.625 and 0.7 at the same prior
    assert [(one.pairs, one.observed) for one in classes] == [(1, 0.0), (2, 0.5)]
    assert [one.promised for one in classes] == pytest.approx([0.3, 0.6625], abs=BIN)


def test_the_seed_matters_and_the_size_of_blocks_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    data, observations = people_on_a_sphere(1, identities=30)
    monkeypatch.setattr(fitting, "RESAMPLES", 50)
    whole = fit_calibration(observations, data)
    assert whole == fit_calibration(observations, data)
    assert whole != fit_calibration(observations, data, seed=1)
    monkeypatch.setattr(pairs, "BLOCK", 7)
    assert whole == fit_calibration(observations, data)
