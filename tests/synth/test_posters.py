"""Posters show a person, upright, and belong to nobody."""

from dataclasses import replace

import numpy as np
import pytest

from personsearch.synth.posters import DESIGNS, poster_meshes, poster_picture
from personsearch.synth.world.props import build_prop


def test_a_design_is_one_picture() -> None:
    first = poster_picture(3)
    again = poster_picture.__wrapped__(3)
    assert first.shape == (352, 224, 4)
    assert first.dtype == np.uint8
    assert (first == again).all()
    assert (first[..., 3] == 255).all()
    assert (first != poster_picture(4)).mean() > 0.3


def test_posters_become_pictures_at_their_corners_and_seeds_share_designs() -> None:
    board = build_prop("poster board", 2)
    seeds = (5, 5 + DESIGNS)
    posters = [replace(poster, seed=seed) for poster, seed in zip(board.posters, seeds, strict=True)]
    (mesh,) = poster_meshes(posters)
    assert mesh.picture is poster_picture(5)
    assert not mesh.casts_shadow
    corners = np.concatenate([poster.corners[[3, 2, 1, 0]] for poster in posters])
    assert mesh.positions == pytest.approx(corners, abs=1e-6)
    # The upper edge of the picture (v = 0) is at the top.
    assert (mesh.surface[[2, 3], 1] == 0).all()
    assert (mesh.surface[[0, 1], 1] > 0.5).all()
