"""The benchmark of other detectors' boxes makes the styles that it names, and measures them."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.other_boxes import STYLES, seconds, seen, styled
from personsearch import PersonSearcher
from personsearch.datasets import load_dataset

BOX = np.array([[40, 20, 60, 80]], dtype=np.float32)  # 20 wide, 60 tall


def test_boxes_grow_shrink_and_move_by_a_share_of_their_sides() -> None:
    rng = np.random.default_rng(0)
    assert styled(BOX, (96, 160), 0.0, 0.0, rng).tolist() == BOX.tolist()
    assert styled(BOX, (96, 160), 0.10, 0.0, rng) == pytest.approx(np.array([[38, 14, 62, 86]]))
    assert styled(BOX, (96, 160), -0.20, 0.0, rng) == pytest.approx(np.array([[44, 32, 56, 68]]))
    assert styled(BOX, (82, 61), 0.10, 0.0, rng) == pytest.approx(np.array([[38, 14, 61, 82]]))  # at the edge
    moved = styled(np.repeat(BOX, 4000, axis=0), (960, 1600), 0.0, 0.05, rng) - BOX
    assert moved.mean(axis=0) == pytest.approx(np.zeros(4), abs=0.2)
    assert moved.std(axis=0) == pytest.approx(np.array([1, 3, 1, 3]), rel=0.1)


def test_every_style_is_seen_in_one_pass(tiny_searcher: PersonSearcher, toy_annotations: Path) -> None:
    dataset = load_dataset(toy_annotations, "train")
    people = dict(seen(tiny_searcher, dataset))
    assert list(people) == [scene.image_id for scene in dataset.scenes]
    for scene in dataset.scenes:
        by_style = people[scene.image_id]
        assert list(by_style) == ["our detector", *STYLES]
        assert np.array_equal(by_style["annotated boxes"].boxes, scene.boxes)
        loose = by_style["10 % looser on each side"]
        expected = tiny_searcher.embed_boxes(scene.path, loose.boxes)
        assert np.allclose(loose.embeddings, expected, atol=1e-4)
    assert all(taken > 0 for taken in seconds(tiny_searcher, dataset, 2, 1))
