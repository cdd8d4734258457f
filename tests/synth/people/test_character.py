"""Characters: complete, and standing on the ground."""

import numpy as np
import pytest

from personsearch.synth.people.character import build_character, placed, pose_of
from personsearch.synth.people.identity import sample_identity
from personsearch.synth.people.things import THINGS


@pytest.mark.parametrize("seed", range(0, 40))
def test_every_character_is_complete_and_stands_on_the_ground(seed: int) -> None:
    character = build_character(sample_identity(seed), (*THINGS, "")[seed % 5])
    assert np.isfinite(character.positions).all()
    assert np.isfinite(character.normals).all()
    assert character.weights.sum(1) == pytest.approx(1, abs=2e-3)
    assert character.triangles.max() < len(character.positions)
    assert sum(part.count for part in character.slices) == character.triangles.size
    pose = pose_of(character, phase=seed / 40, speed=1.3 * (seed % 3 > 0), act=seed)
    posed = placed(character, pose, (3.0, -2.0), 1.0)
    worn = posed.positions[: character.worn_vertices]
    assert worn[:, 1].min() == pytest.approx(0, abs=1e-5)
    assert 0.9 < worn[:, 1].max() < 2.3
    assert np.hypot(*(worn[:, [0, 2]].mean(0) - (3, -2))) < 0.3
    head, feet = posed.keypoints[0, 1], posed.keypoints[15:, 1]
    assert (head > feet + 0.7).all()
