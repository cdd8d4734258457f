"""Photographed materials on places and props: about half of the surfaces, and nothing moves."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch.synth.textures import load_textures
from personsearch.synth.world import KINDS, build_world
from personsearch.synth.world.props import build_prop, prop_names
from personsearch.synth.world.skins import Skins

MATERIALS = ("asphalt", "paving", "brick", "plaster", "wood", "tile", "metal", "fabric", "grass", "concrete", "marble")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("materials")
    rng = np.random.default_rng(1)
    for name in MATERIALS:
        Image.fromarray(rng.integers(60, 200, (64, 64, 3), dtype=np.uint8)).save(root / f"{name}.png")
    return root


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_with_photographs_stands_where_it_stood(kind: str, folder: Path) -> None:
    for seed in (2, 3):
        plain, covered, again = build_world(kind, seed), *(build_world(kind, seed, textures=folder) for _ in range(2))
        assert (plain.obstacles == covered.obstacles).all()
        assert plain.figures == covered.figures
        assert plain.lights == covered.lights
        corners = [np.concatenate([mesh.positions for mesh in world.meshes]) for world in (plain, covered)]
        first, second = (points[np.lexsort(points.T)] for points in corners)
        assert (first == second).all()
        photos = [mesh for mesh in covered.meshes if mesh.picture is not None and mesh.material != "picture"]
        assert photos
        assert not any(mesh.picture is not None and mesh.material != "picture" for mesh in plain.meshes)
        for one, two in zip(covered.meshes, again.meshes, strict=True):
            assert (one.surface == two.surface).all()
            assert (one.colours == two.colours).all()
            assert one.picture is two.picture or np.array_equal(one.picture, two.picture)


def test_about_half_of_the_surfaces_are_photographed(folder: Path) -> None:
    skins = Skins(load_textures(folder), 5, indoors=False)
    rng = np.random.default_rng(2)
    chosen = [skins.choose("paving", rng.random(3), 0.0, np.array([9.0, 0.0, 9.0])) for _ in range(400)]
    assert sum(skin is not None for skin in chosen) == pytest.approx(200, abs=50)
    assert skins.choose("water", np.ones(3), 0.0, np.ones(3)) is None
    one, same = (skins.choose("wall", np.full(3, 0.31), 0.1, np.array([3.0, 2.0, 0.1])) for _ in range(2))
    assert (one is None) == (same is None)


def test_a_floor_repeats_its_picture_in_metres(folder: Path) -> None:
    """Where the picture shows w metres, points w apart have texture coordinates 1 apart."""
    skins = Skins(load_textures(folder), 5, indoors=False)
    extent = np.array([9.0, 0.0, 9.0])
    skin = next(s for n in range(50) if (s := skins.choose("grass", np.full(3, n / 60), 0.0, extent)) is not None)
    assert skin.material == "photo"
    from personsearch.synth.world.mesh_builder import MeshBuilder

    class Always:
        def choose(self, *_: object) -> object:
            return skin

    builder = MeshBuilder(Always())  # type: ignore[arg-type]
    builder.ground((0, 0, 6, 4), (0.2, 0.3, 0.1), "grass", cell=10)
    (mesh,) = builder.meshes()
    assert np.ptp(mesh.surface[:, 0]) * skin.size[0] == pytest.approx(6, rel=1e-5)
    assert np.ptp(mesh.surface[:, 1]) * skin.size[1] == pytest.approx(4, rel=1e-5)
    assert mesh.colours[0] == pytest.approx(skin.tint, rel=1e-5)


def test_props_take_photographs_too(folder: Path) -> None:
    covered = [
        mesh.material
        for name in prop_names(True)
        for mesh in build_prop(name, 3, indoors=True, textures=folder).meshes
        if mesh.picture is not None and mesh.material != "picture"
    ]
    assert len(covered) > 8
    assert set(covered) <= {"photo", "wall", "plaster", "facade"}
