"""Whole places: meshes, obstacles, figures, posters and lights."""

from functools import cache
from importlib import resources

import numpy as np
import pytest

from personsearch.synth.world import KINDS, build_world
from personsearch.synth.world.lights import MOODS, NEUTRAL
from personsearch.synth.world.site import HEAD_ROOM
from personsearch.synth.world.types import MAX_LAMPS, World

SEEDS = range(30)


MOST_TRIANGLES = 16_000


@cache
def worlds(kind: str) -> tuple[World, ...]:
    return tuple(build_world(kind, seed) for seed in SEEDS)


@pytest.mark.parametrize("kind", KINDS)
def test_worlds_are_complete(kind: str) -> None:
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
    # A few slivers may turn over where thin poles bend sharply, so triangles are weighted by area; so may the hems of
    # curtains, which are thin and smooth.
    for world in worlds(kind)[:10]:
        for mesh in world.meshes:
            a, b, c = (mesh.positions[mesh.triangles[:, k]].astype(float) for k in range(3))
            faces = np.cross(b - a, c - a)
            area = np.linalg.norm(faces, axis=1)
            agree = np.einsum("ij,ij->i", faces, mesh.normals[mesh.triangles].mean(1)) > 0
            assert area[agree].sum() > (0.97 if mesh.material == "fabric" else 0.995) * area.sum(), (
                world.seed,
                mesh.material,
            )


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
        # There is also enough room for somebody half a metre wide.
        assert (distance > radius[low] + 0.25).all(-1).mean() > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_obstacles_cover_everything_in_the_way(kind: str) -> None:
    """Between knee and head height, all that stands where people walk is in an obstacle, except the tips of leaves."""
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
    assert {figure.kind for figure in shown} == {"mannequin", "statue", "coat"}
    assert any(figure.kind == "coat" for world in worlds("street") for figure in world.figures), "in shop windows"
    posters = [poster for kind in KINDS for world in worlds(kind) for poster in world.posters]
    assert len(posters) > 10
    for poster in posters:
        left_top, right_top, right_bottom, left_bottom = poster.corners
        assert left_top[1] == right_top[1] > left_bottom[1] == right_bottom[1]
        assert right_top - left_top == pytest.approx(right_bottom - left_bottom, abs=1e-5)


def test_lights_have_different_moods_and_can_be_switched_off() -> None:
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
