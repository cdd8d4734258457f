import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.datasets import Query
from personsearch.evaluation import pairs
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.pairs import BINS, bin_of, count_pairs, pair_blocks, sides_of
from tests.evaluation import toy
from tests.evaluation.sphere import people_on_a_sphere
from tests.evaluation.toy import LOOK, A, B, detected, scene

FAR = [80.0, 0, 95, 40]


def observed(queries: dict[str, list[float]]) -> Observations:
    """x has detections of both people and of nobody, y a weak one; queries look along (1, 0)."""
    return Observations(
        weights="f" * 64,
        detections={
            "q": detected([1.0]),
            "x": detected([0.8, 0.6, 0.9], [A, B, FAR]),
            "y": detected([0.5], scores=[0.4]),
        },
        boxes={name: np.array([box], np.float32) for name, box in queries.items()},
        embeddings=dict.fromkeys(queries, LOOK),
    )


def test_sides_by_hand() -> None:
    scenes = [scene("q", [A], [7]), scene("x", [A, B], [7, -1]), scene("y", [A], [9])]
    data = toy.dataset(scenes, toy.query(7), Query(image_id="elsewhere", box=np.array(B, np.float32), identity=9))
    queries, gallery = sides_of(observed({"q": A, "elsewhere": B}), data)
    # known are 7 and 9, groups 0 and 1; whoever has no label in scene 1 is group 2 + 1
    assert (queries.group.tolist(), queries.scene.tolist(), queries.labelled) == ([0, 1], [0, -1], 2)
    assert (gallery.group.tolist(), gallery.scene.tolist()) == ([0, 0, 3], [0, 1, 1])
    assert gallery.embeddings[:, 0] == pytest.approx([1.0, 0.8, 0.6])  # without FAR, which is nobody
    with_weak = sides_of(observed({"q": A, "elsewhere": B}), data, score_threshold=0.4)[1]
    assert with_weak.group.tolist() == [0, 0, 3, 1]

    [block] = pair_blocks(queries, gallery)
    assert block.same.tolist() == [[False, True, False], [False, False, False]]  # not in the query's own scene
    assert block.different.tolist() == [[False, False, True], [True, True, True]]
    same, different = count_pairs(queries, gallery)
    assert np.flatnonzero(same).tolist() == bin_of(np.array([0.8], np.float32)).tolist()
    assert (same.sum(), different.sum()) == (1, 4)


def test_without_queries_every_labelled_person_who_counts_is_one() -> None:
    scenes = [scene("q", [A], [7]), scene("x", [A, B], [7, 9], ignore=[False, True]), scene("y", [A], [-1])]
    seen = Observations(
        weights="f" * 64,
        detections={},
        boxes={one.image_id: one.boxes for one in scenes},
        embeddings={"q": LOOK, "x": np.array([[0, 1], [1, 0]], np.float32), "y": LOOK},
    )
    queries, gallery = sides_of(seen, toy.dataset(scenes))
    assert queries.embeddings.tolist() == [[1, 0], [0, 1]]
    assert (queries.group.tolist(), queries.scene.tolist()) == ([0, 0], [0, 1])
    assert gallery.embeddings.shape == (0, 2)
    assert [counts.sum() for counts in count_pairs(queries, gallery)] == [0, 0]


def test_the_size_of_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data, seen = people_on_a_sphere(0, identities=5, scenes_each=4)
    sides = sides_of(seen, data)
    whole = count_pairs(*sides)
    assert [counts.sum() for counts in whole] == [5 * 4 * 3, 20 * 16]
    monkeypatch.setattr(pairs, "BLOCK", 3)
    for before, after in zip(whole, count_pairs(*sides), strict=True):
        np.testing.assert_array_equal(after, before)


@given(st.lists(st.floats(-1.001, 1.001), min_size=1))
def test_every_similarity_has_the_bin_that_contains_it(values: list[float]) -> None:
    similarity = np.array(values, np.float32)
    bins = bin_of(similarity)
    assert ((bins >= 0) & (bins < BINS)).all()
    inside = similarity.astype(np.float64).clip(-1, 1)
    low = bins / (BINS / 2) - 1
    assert ((low - 1e-12 <= inside) & (inside <= low + 2 / BINS + 1e-12)).all()
