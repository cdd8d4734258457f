"""Places: their solids, obstacles and lights."""

from importlib import resources

import numpy as np
import pytest

from personsearch.synth.world import KINDS, build_world
from personsearch.synth.world.builder import WorldBuilder
from personsearch.synth.world.lights import NEUTRAL
from personsearch.synth.world.types import MAX_LAMPS

SEEDS = range(1, 9)


def test_a_box_is_closed_faces_outwards_and_has_metres_on_its_faces() -> None:
    builder = WorldBuilder()
    builder.box((1, 2, 3), (2, 4, 6), (0.5, 0.5, 0.5), heading=0.7)
    (mesh,) = builder.meshes()
    a, b, c = (mesh.positions[mesh.triangles[:, k]].astype(float) for k in range(3))
    faces = np.cross(b - a, c - a)
    assert (np.einsum("ij,ij->i", faces, mesh.normals[mesh.triangles[:, 0]]) > 0).all()
    assert (np.einsum("ij,ij->i", faces, (a + b + c) / 3 - (1, 2, 3)) > 0).all()
    volume = np.einsum("ij,ij->i", a - (1, 2, 3), faces).sum() / 6
    assert volume == pytest.approx(2 * 4 * 6, rel=1e-5)
    spans = {tuple(np.round(mesh.surface[4 * k : 4 * k + 4, :2].max(0)).astype(int)) for k in range(6)}
    assert spans == {(6, 4), (2, 4), (2, 6)}


def test_a_picture_stands_upright_and_reads_from_the_left() -> None:
    builder = WorldBuilder()
    picture = np.zeros((4, 4, 4), np.uint8)
    builder.box((0, 1, 0), (2, 2, 0.1), (1, 1, 1), "picture", picture=picture, faces=(2,))
    (mesh,) = builder.meshes()
    assert mesh.picture is picture
    # Seen from +z, x grows to the right: u with it; v is 0 at the top.
    for (x, y, _), (u, v, _) in zip(mesh.positions, mesh.surface, strict=True):
        assert (u, v) == (float(x > 0), float(y < 1))


def test_the_ground_looks_up() -> None:
    builder = WorldBuilder()
    builder.ground((-3, -2, 5, 9), (0.3, 0.3, 0.3), "asphalt", scale=2.0, cell=2.0)
    (mesh,) = builder.meshes()
    a, b, c = (mesh.positions[mesh.triangles[:, k]] for k in range(3))
    faces = np.cross(b - a, c - a)
    assert (faces[:, 1] > 0).all()
    assert faces[:, 1].sum() / 2 == pytest.approx(8 * 11, rel=1e-5)
    assert mesh.surface[:, :2] == pytest.approx(mesh.positions[:, [0, 2]] * 2)


@pytest.mark.parametrize("kind", KINDS)
def test_worlds_are_whole(kind: str) -> None:
    for seed in SEEDS:
        world = build_world(kind, seed)
        for mesh in world.meshes:
            assert (resources.files("personsearch") / f"synth/shaders/materials/{mesh.material}.glsl").is_file()
            assert np.isfinite(mesh.positions).all()
            assert np.linalg.norm(mesh.normals, axis=1) == pytest.approx(1, abs=1e-3)
            assert (mesh.colours >= 0).all()
            assert (mesh.colours <= 1).all()
            assert mesh.triangles.max() < len(mesh.positions)
        assert sum(len(mesh.triangles) for mesh in world.meshes) < 40_000
        assert all(len(light.lamps) <= MAX_LAMPS for light in world.lights)
        assert all(np.linalg.norm(light.sun_direction) == pytest.approx(1, abs=0.01) for light in world.lights)
        assert (world.ceiling is not None) == (kind == "hall")


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_room_to_walk(kind: str) -> None:
    for seed in SEEDS:
        world = build_world(kind, seed)
        x1, z1, x2, z2 = world.walkable
        x, z = np.meshgrid(np.linspace(x1, x2, 40), np.linspace(z1, z2, 40))
        low = world.obstacles[world.obstacles[:, 3] < 2.2]
        distance = np.hypot(x[..., None] - low[:, 0], z[..., None] - low[:, 1])
        assert (distance > low[:, 2] + 0.25).all(-1).mean() > 0.5


def test_a_world_follows_from_its_seed() -> None:
    for kind in KINDS:
        first, again, other = build_world(kind, 3), build_world(kind, 3), build_world(kind, 4)
        assert [mesh.material for mesh in first.meshes] == [mesh.material for mesh in again.meshes]
        for one, two in zip(first.meshes, again.meshes, strict=True):
            assert (one.positions == two.positions).all()
            assert (one.colours == two.colours).all()
        assert first.lights == again.lights
        assert first.lights != other.lights


def test_moods_differ_outdoors_and_can_be_switched_off() -> None:
    moods = set()
    for seed in range(40):
        names = [light.name for light in build_world("plaza", seed).lights]
        assert names[0] != names[1]
        moods |= set(names)
    assert moods == {"sunny", "hazy", "overcast", "rain", "low", "dusk", "night"}
    assert build_world("plaza", 3, lighting=False).lights == (NEUTRAL, NEUTRAL)
