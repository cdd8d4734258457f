"""Solids are collected into meshes, with the right places, normals and surface coordinates."""

import numpy as np
import pytest

from personsearch.synth.world.mesh_builder import MeshBuilder, upright


def test_a_box_faces_outwards_and_its_surface_is_in_metres() -> None:
    builder = MeshBuilder()
    builder.box((1, 2, 3), (2, 4, 6), (0.5, 0.5, 0.5), heading=0.7)
    (mesh,) = builder.meshes()
    a, b, c = (mesh.positions[mesh.triangles[:, k]].astype(float) for k in range(3))
    faces = np.cross(b - a, c - a)
    assert (np.einsum("ij,ij->i", faces, mesh.normals[mesh.triangles[:, 0]]) > 0).all()
    assert np.einsum("ij,ij->i", a - (1, 2, 3), faces).sum() / 6 == pytest.approx(2 * 4 * 6, rel=1e-5)
    spans = {tuple(np.round(mesh.surface[4 * k : 4 * k + 4, :2].max(0)).astype(int)) for k in range(6)}
    assert spans == {(6, 4), (2, 4), (2, 6)}
    assert (mesh.surface[:, :2].min(0) == 0).all()


def test_every_solid_keeps_its_place_colour_and_seed() -> None:
    builder = MeshBuilder()
    for number in range(3):
        x, tone = 10.0 * number, 0.1 * number
        builder.box((x, 0, 0), (1, 1, 1), (tone, 0, 0), seed=tone, heading=number, scale=(2, 3), faces=(4,))
    builder.box((0, 0, 0), (1, 1, 1), (1, 1, 1), "bark")
    wall, bark = sorted(builder.meshes(), key=lambda mesh: mesh.material, reverse=True)
    assert (wall.material, bark.material) == ("plaster", "bark")
    for number, part in enumerate(np.split(np.arange(12), 3)):
        assert wall.positions[part].mean(0) == pytest.approx((10.0 * number, 0.5, 0), abs=1e-6)
        assert wall.colours[part, 0] == pytest.approx(0.1 * number)
        assert wall.surface[part, 2] == pytest.approx(0.1 * number)
        assert (wall.surface[part, :2].max(0) == (2, 3)).all()
        assert set(wall.triangles[2 * number : 2 * number + 2].ravel()) == set(part)


def test_a_picture_is_upright_and_not_mirrored() -> None:
    builder = MeshBuilder()
    pixels = np.zeros((4, 4, 4), np.uint8)
    builder.picture(upright((0.0, 1.0, 0.0), 2.0, 2.0), pixels)
    (mesh,) = builder.meshes()
    assert mesh.picture is pixels
    assert (mesh.normals == (0, 0, 1)).all()
    # Seen from +z, x and u grow to the right; v is 0 at the top.
    for (x, y, _), (u, v, _) in zip(mesh.positions, mesh.surface, strict=True):
        assert (u, v) == (float(x > 0), float(y < 1))


def test_ground_uses_world_metres_and_casts_no_shadow() -> None:
    builder = MeshBuilder()
    builder.ground((-3, -2, 5, 9), (0.3, 0.3, 0.3), "asphalt", scale=2.0, cell=2.0)
    (mesh,) = builder.meshes()
    assert mesh.surface[:, :2] == pytest.approx(mesh.positions[:, [0, 2]] * 2)
    assert not mesh.casts_shadow
