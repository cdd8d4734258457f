"""Places: their solids, obstacles, figures, posters and lights."""

from functools import cache
from importlib import resources

import numpy as np
import pytest

from personsearch.synth.world import KINDS, build_world
from personsearch.synth.world.lights import MOODS, NEUTRAL
from personsearch.synth.world.mesh_builder import MeshBuilder, upright
from personsearch.synth.world.site import HEAD_ROOM, Site
from personsearch.synth.world.types import MAX_LAMPS, World

SEEDS = range(30)
MOST_TRIANGLES = 16_000


@cache
def worlds(kind: str) -> tuple[World, ...]:
    return tuple(build_world(kind, seed) for seed in SEEDS)


def test_a_box_faces_outwards_and_has_metres_on_its_faces() -> None:
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


def test_what_was_added_keeps_its_place_colour_and_seed_among_others() -> None:
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


def test_a_picture_stands_upright_and_reads_from_the_left() -> None:
    builder = MeshBuilder()
    pixels = np.zeros((4, 4, 4), np.uint8)
    builder.picture(upright((0.0, 1.0, 0.0), 2.0, 2.0), pixels)
    (mesh,) = builder.meshes()
    assert mesh.picture is pixels
    assert (mesh.normals == (0, 0, 1)).all()
    # Seen from +z, x grows to the right: u with it; v is 0 at the top.
    for (x, y, _), (u, v, _) in zip(mesh.positions, mesh.surface, strict=True):
        assert (u, v) == (float(x > 0), float(y < 1))


def test_ground_has_the_worlds_metres_and_casts_no_shadow() -> None:
    builder = MeshBuilder()
    builder.ground((-3, -2, 5, 9), (0.3, 0.3, 0.3), "asphalt", scale=2.0, cell=2.0)
    (mesh,) = builder.meshes()
    assert mesh.surface[:, :2] == pytest.approx(mesh.positions[:, [0, 2]] * 2)
    assert not mesh.casts_shadow


def test_free_spots_are_free() -> None:
    site = Site(np.random.default_rng(3))
    site.block(0, 0, 3, 1)
    site.block(4, 4, 5, 6, bottom=3)  # above all heads
    site.reserve((-10, 5, 10, 10))
    for _ in range(40):
        spot = site.spot((-10, -10, 10, 10), 1.0)
        assert spot is not None
        assert np.hypot(*spot) >= 4
        assert spot[1] <= 4
    assert site.is_free(4, 3.9, 0.0)
    assert site.spot((-1, -1, 1, 1), 0.5) is None


@pytest.mark.parametrize("kind", KINDS)
def test_worlds_are_whole(kind: str) -> None:
    materials = resources.files("personsearch") / "synth/shaders/materials"
    for world in worlds(kind):
        for mesh in world.meshes:
            assert (materials / f"{mesh.material}.glsl").is_file()
            assert (mesh.picture is not None) == (mesh.material == "picture")
            for values in (mesh.positions, mesh.normals, mesh.surface, mesh.colours):
                assert values.dtype == np.float32
                assert values.shape == (len(mesh.positions), 3)
                assert np.isfinite(values).all()
            assert np.linalg.norm(mesh.normals, axis=1) == pytest.approx(1, abs=1e-3)
            assert (mesh.colours >= 0).all()
            assert (mesh.colours <= 1).all()
            assert 0 <= mesh.triangles.min() <= mesh.triangles.max() < len(mesh.positions)
        assert sum(len(mesh.triangles) for mesh in world.meshes) <= MOST_TRIANGLES
        assert all(len(light.lamps) <= MAX_LAMPS for light in world.lights)
        assert all(np.linalg.norm(light.sun_direction) == pytest.approx(1, abs=0.01) for light in world.lights)


@pytest.mark.parametrize("kind", KINDS)
def test_normals_agree_with_the_winding(kind: str) -> None:
    # Where thin poles bend sharply, a few slivers may turn over: they are counted by their area.
    for world in worlds(kind)[:10]:
        for mesh in world.meshes:
            a, b, c = (mesh.positions[mesh.triangles[:, k]].astype(float) for k in range(3))
            faces = np.cross(b - a, c - a)
            area = np.linalg.norm(faces, axis=1)
            agree = np.einsum("ij,ij->i", faces, mesh.normals[mesh.triangles].mean(1)) > 0
            assert area[agree].sum() > 0.995 * area.sum(), (world.seed, mesh.material)


@pytest.mark.parametrize("kind", KINDS)
def test_the_ground_reaches_to_the_horizon_or_the_walls(kind: str) -> None:
    for world in worlds(kind):
        floors = [mesh for mesh in world.meshes if mesh.material in ("asphalt", "paving", "bricks", "gravel", "grass")]
        corners = np.concatenate([mesh.positions for mesh in floors])
        x1, z1, x2, z2 = world.bounds if kind == "hall" else (-60, -60, 60, 60)
        assert (corners[:, [0, 2]].min(0) <= (x1, z1)).all()
        assert (corners[:, [0, 2]].max(0) >= (x2, z2)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_room_to_walk_and_obstacles_are_inside(kind: str) -> None:
    for world in worlds(kind):
        x1, z1, x2, z2 = world.walkable
        assert min(x2 - x1, z2 - z1) >= 23.5
        bx1, bz1, bx2, bz2 = world.bounds
        assert (bx1 <= x1 and bz1 <= z1 and bx2 >= x2 and bz2 >= z2) or kind == "hall"
        x, z, radius, bottom, top = world.obstacles.T
        assert (radius > 0).all()
        assert (top > bottom).all()
        assert ((x > bx1 - 1) & (x < bx2 + 1) & (z > bz1 - 1) & (z < bz2 + 1)).all()
        grid_x, grid_z = np.meshgrid(np.linspace(x1, x2, 40), np.linspace(z1, z2, 40))
        low = bottom < HEAD_ROOM
        distance = np.hypot(grid_x[..., None] - x[low], grid_z[..., None] - z[low])
        assert (distance > radius[low]).all(-1).mean() >= 0.55
        # Somebody with half a metre of room also finds enough.
        assert (distance > radius[low] + 0.25).all(-1).mean() > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_walks_through_anything(kind: str) -> None:
    """Whatever stands between knee and head height where people walk is in an obstacle, but for the tips of leaves."""
    for world in worlds(kind)[:12]:
        x1, z1, x2, z2 = world.walkable
        low = world.obstacles[world.obstacles[:, 3] < HEAD_ROOM]
        for mesh in world.meshes:
            points = mesh.positions[(mesh.positions[:, 1] > 0.45) & (mesh.positions[:, 1] < 1.9)]
            inside = (points[:, 0] > x1) & (points[:, 0] < x2) & (points[:, 2] > z1) & (points[:, 2] < z2)
            x, z = points[inside][:, 0], points[inside][:, 2]
            distance = np.hypot(x[:, None] - low[:, 0], z[:, None] - low[:, 1]) - low[:, 2]
            if len(x):
                assert distance.min(axis=1).max() < 0.4, (world.seed, mesh.material)


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_follows_from_its_seed(kind: str) -> None:
    first, again, other = worlds(kind)[3], build_world(kind, 3), worlds(kind)[4]
    assert [mesh.material for mesh in first.meshes] == [mesh.material for mesh in again.meshes]
    for one, two in zip(first.meshes, again.meshes, strict=True):
        assert (one.positions == two.positions).all()
        assert (one.colours == two.colours).all()
        assert (one.picture is None and two.picture is None) or np.array_equal(one.picture, two.picture)
    assert first.lights == again.lights
    assert first.figures == again.figures
    assert (first.obstacles == again.obstacles).all()
    assert first.lights != other.lights


def test_figures_and_posters_are_where_they_belong() -> None:
    statues = [figure for kind in ("plaza", "park") for world in worlds(kind) for figure in world.figures]
    assert any(figure.kind == "statue" and figure.position[1] >= 0.5 for figure in statues)
    shown = [figure for world in worlds("hall") for figure in world.figures]
    assert len(shown) > 30
    assert {figure.kind for figure in shown} == {"mannequin"}
    posters = [poster for kind in KINDS for world in worlds(kind) for poster in world.posters]
    assert len(posters) > 10
    for poster in posters:
        left_top, right_top, right_bottom, left_bottom = poster.corners
        assert left_top[1] == right_top[1] > left_bottom[1] == right_bottom[1]
        assert right_top - left_top == pytest.approx(right_bottom - left_bottom, abs=1e-5)


def test_moods_differ_and_can_be_switched_off() -> None:
    seen = set()
    for kind in KINDS:
        for world in worlds(kind):
            names = [light.name for light in world.lights]
            assert len(names) >= 2
            assert len(set(names)) == len(names)
            seen |= set(names)
            for light in world.lights:
                assert bool(light.lamps) <= (light.name in ("dusk", "night", "indoor", "indoor dim"))
    assert seen == {*MOODS, "indoor", "indoor dim"}
    assert build_world("plaza", 3, lighting=False).lights == (NEUTRAL, NEUTRAL)


def test_only_halls_have_a_ceiling() -> None:
    for kind in KINDS:
        for world in worlds(kind):
            assert (world.ceiling is not None) == (kind == "hall")
            if world.ceiling is not None:
                ceiling = [mesh for mesh in world.meshes if mesh.material == "tiles" and not mesh.casts_shadow]
                assert max(mesh.positions[:, 1].max() for mesh in ceiling) >= world.ceiling
                assert all(lamp.position[1] < world.ceiling for light in world.lights for lamp in light.lamps)
