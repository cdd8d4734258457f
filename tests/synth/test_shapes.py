"""Solids are closed; their windings and normals point outwards; their volumes are right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.synth.geometry import vertex_normals
from personsearch.synth.shapes import (
    Solid,
    box,
    cylinder,
    disc,
    ellipsoid,
    ground_patch,
    loft,
    prism,
    quad,
    ribbon,
    tube,
)

LENGTH = st.floats(0.05, 30, allow_nan=False)


def faces(solid: Solid) -> tuple[np.ndarray, np.ndarray]:
    """Return the first corner and the area vector (twice the area) of each triangle that has an area."""
    a, b, c = (solid[0][solid[2][:, k]].astype(float) for k in range(3))
    return a, np.cross(b - a, c - a)


def volume(solid: Solid) -> float:
    """Return the volume of a closed solid; negative where it is inside out."""
    first, across = faces(solid)
    return float(np.einsum("ij,ij->", first, across) / 6)


def assert_normals_agree(solid: Solid) -> None:
    assert np.linalg.norm(solid[1], axis=1) == pytest.approx(1, abs=1e-4)
    _, across = faces(solid)
    size = np.linalg.norm(across, axis=1)
    agreement = np.einsum("ij,ij->i", across, solid[1][solid[2]].mean(axis=1))
    assert (agreement[size > 1e-9 * size.max()] > 0).all()


def is_closed(solid: Solid) -> bool:
    """Return whether every edge, by the places of its ends, is passed once in each direction."""
    _, place = np.unique(np.round(solid[0] / 1e-4), axis=0, return_inverse=True)
    corners = place.reshape(-1)[solid[2]]
    corners = corners[[len(set(triangle)) == 3 for triangle in corners.tolist()]]
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]).tolist()
    there = {(start, end) for start, end in edges}
    return len(there) == len(edges) and there == {(end, start) for start, end in there}


@given(LENGTH, LENGTH, LENGTH)
def test_a_box_is_closed_and_has_its_volume(x: float, y: float, z: float) -> None:
    solid = box((x, y, z))
    assert volume(solid) == pytest.approx(x * y * z, rel=1e-4)
    assert_normals_agree(solid)
    assert len(solid[2]) == 12


def test_closed_solids_are_closed() -> None:
    turn = np.arange(8) * np.pi / 4
    rings = [np.stack([np.full(8, x), np.cos(turn), np.sin(turn)], axis=1) for x in (0.0, 1.0, 3.0)]
    octagon = 2 * np.sqrt(2)  # the area of one in the unit circle
    for solid, expected in (
        (box((1, 2, 3)), 6.0),
        (prism([(0, 0), (2, 0), (0, 3)], 4.0), 12.0),
        (cylinder(1, 5, sides=8, bottom=True), 5 * octagon),
        (cylinder(1, 3, sides=8, top_radius=0, bottom=True), octagon),
        (loft(rings), 3 * octagon),
    ):
        assert is_closed(solid)
        assert volume(solid) == pytest.approx(expected, rel=1e-5)
        assert_normals_agree(solid)
    assert is_closed(ellipsoid((1, 2, 3)))
    assert not is_closed(cylinder(1, 5, bottom=False))
    assert not is_closed(box((1, 1, 1), faces=range(5)))


def test_the_faces_of_a_box_are_the_ones_asked_for() -> None:
    for face, normal in enumerate([(1, 0, 0), (-1, 0, 0), (0, 0, 1), (0, 0, -1), (0, 1, 0), (0, -1, 0)]):
        positions, normals, triangles = box((2, 4, 6), faces=(face,))
        assert (normals == normal).all()
        assert (positions @ np.array(normal) == np.abs(np.array(normal)) @ (1, 2, 3)).all()
        assert len(triangles) == 2


@given(st.floats(0.02, 3), st.floats(0.1, 10), st.floats(0, 3), st.integers(3, 20))
def test_cylinders_and_cones_look_outwards(radius: float, height: float, top: float, sides: int) -> None:
    solid = cylinder(radius, height, top_radius=top, sides=sides, bottom=True)
    assert_normals_agree(solid)
    assert solid[0][:, 1].min() == 0
    assert solid[0][:, 1].max() == pytest.approx(height)


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(0.1, 60), st.floats(0.1, 60), st.floats(0.5, 20))
def test_ground_looks_up_and_covers_its_area(x: float, z: float, wide: float, deep: float, cell: float) -> None:
    solid = ground_patch((x, z, x + wide, z + deep), y=0.5, cell=cell)
    _, across = faces(solid)
    assert (across[:, 1] > 0).all()
    assert across[:, 1].sum() / 2 == pytest.approx(wide * deep, rel=1e-2)
    assert (solid[0][:, 1] == 0.5).all()


def test_a_ribbon_looks_up_and_is_as_wide_as_asked() -> None:
    solid = ribbon([(0, 0), (0, 5), (0, 10)], 2.5, y=0.01)
    _, across = faces(solid)
    assert (across[:, 1] > 0).all()
    assert across[:, 1].sum() / 2 == pytest.approx(25)
    assert np.ptp(solid[0][:, 0]) == pytest.approx(2.5)


def test_flat_shapes_look_where_their_corners_say() -> None:
    assert (quad([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)])[1] == (0, 0, 1)).all()
    assert_normals_agree(disc(2.0))
    assert (disc(2.0)[1] == (0, 1, 0)).all()


def test_a_tube_surrounds_its_line() -> None:
    solid = tube([(0, 0, 0), (0, 2, 0)], 0.1, sides=12)
    assert np.hypot(solid[0][:, 0], solid[0][:, 2]) == pytest.approx(0.1)
    assert_normals_agree(solid)


def test_solids_face_outwards() -> None:
    for positions, normals, triangles in (ellipsoid((1, 2, 3)), ellipsoid((1, 1, 1), power=0.4)):
        assert (np.einsum("vi,vi->v", positions, normals) >= 0).all()
        assert normals == pytest.approx(vertex_normals(positions, triangles))
    line = np.array([[0, 0, 0], [0, 1, 0], [0.2, 2, 0]], np.float32)
    positions, normals, _ = tube(line, 0.1)
    away = positions[:6] - line[0]
    assert np.linalg.norm(away, axis=1) == pytest.approx(0.1)
    assert (np.einsum("vi,vi->v", away, normals[:6]) > 0).all()
