"""Statistics that checks and plots share, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.datasets import load_dataset
from personsearch.datasets.doctor.statistics import (
    boxes_per_identity,
    cameras_of_identities,
    cameras_per_identity,
    head_share,
    people_per_scene,
)
from tests.datasets.doctor.faults import clean_sets
from tests.support import SHARED

PRW = SHARED / "prw-annotations" / "train_pid.json"


def test_the_head_by_hand() -> None:
    assert head_share(np.array([1, 4, 2, 3]), 0.25) == 0.4
    assert head_share(np.array([1, 4, 2, 3]), 0.5) == 0.7
    assert head_share(np.array([5, 5]), 0.01) == 0.5  # at least one identity


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=50), st.floats(0.01, 1), st.randoms())
def test_the_head_is_no_smaller_than_its_share_of_people(counts: list[int], share: float, random: object) -> None:
    shuffled = list(counts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    held = head_share(np.array(counts), share)
    assert held == head_share(np.array(shuffled), share)
    assert held >= max(1, round(share * len(counts))) / len(counts) - 1e-12
    assert held <= 1


def test_statistics_by_hand(tmp_path: Path) -> None:
    scenes = list(clean_sets(tmp_path)[0].scenes)
    scenes[0] = replace(scenes[0], ignore=np.array([True, False, False]))
    assert boxes_per_identity(scenes).tolist() == [3, 4, 4]
    assert people_per_scene(scenes).tolist() == [2, 3, 3, 3, 3, 3]
    assert cameras_of_identities(scenes[:2]) == {11: {"c0", "c1"}, 12: {"c1"}}
    assert cameras_per_identity(scenes).tolist() == [2, 2, 2]
    nowhere = [replace(scene, camera=None) for scene in scenes]
    assert cameras_per_identity(nowhere).tolist() == []


@pytest.mark.skipif(not PRW.is_file(), reason="needs the annotations of PRW")
def test_the_long_tail_of_prw() -> None:
    counts = boxes_per_identity(load_dataset(PRW, "train", require_images=False).scenes)
    assert (len(counts), counts.min(), counts.max(), np.median(counts)) == (483, 1, 464, 23)
    assert (counts < 4).sum() == 18
    assert round(head_share(counts), 2) == 0.5
