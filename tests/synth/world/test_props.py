"""Things that stand in front of people: complete, where they claim to be, and functions of their seed."""

import numpy as np
import pytest

from personsearch.synth.geometry import rotation_y
from personsearch.synth.world.props import build_prop, placed_prop, prop_names
from personsearch.synth.world.site import HEAD_ROOM

EVERYTHING = [(name, indoors) for indoors in (True, False) for name in prop_names(indoors)]
MOST_TRIANGLES = 2500


@pytest.mark.parametrize(("name", "indoors"), EVERYTHING)
def test_a_prop_stands_on_the_ground_within_its_radius_and_height(name: str, indoors: bool) -> None:
    for seed in range(5):
        prop = build_prop(name, seed, indoors=indoors)
        points = np.concatenate([mesh.positions for mesh in prop.meshes])
        assert 0 <= points[:, 1].min() <= (0.3 if name == "curtain" else 0.06)
        assert points[:, 1].max() <= prop.height + 1e-6
        low = points[points[:, 1] < HEAD_ROOM]
        assert np.hypot(low[:, 0], low[:, 2]).max() <= prop.radius + 1e-6
        assert 0.03 < prop.radius < 4
        assert sum(len(mesh.triangles) for mesh in prop.meshes) < MOST_TRIANGLES
        for mesh in prop.meshes:
            assert np.isfinite(mesh.positions).all()
            assert np.linalg.norm(mesh.normals, axis=1) == pytest.approx(1, abs=1e-3)
            assert 0 <= mesh.colours.min() <= mesh.colours.max() <= 1
            assert (mesh.picture is not None) == (mesh.material == "picture")


@pytest.mark.parametrize(("name", "indoors"), EVERYTHING)
def test_normals_agree_with_the_winding(name: str, indoors: bool) -> None:
    for seed in range(2):
        for mesh in build_prop(name, seed, indoors=indoors).meshes:
            a, b, c = (mesh.positions[mesh.triangles[:, k]].astype(float) for k in range(3))
            faces = np.cross(b - a, c - a)
            area = np.linalg.norm(faces, axis=1)
            agree = np.einsum("ij,ij->i", faces, mesh.normals[mesh.triangles].mean(1)) > 0
            # Thin bent poles and leaves have slivers that turn over.
            assert area[agree].sum() > 0.97 * area.sum(), (seed, mesh.material)


def test_a_prop_follows_from_its_name_and_seed() -> None:
    one, again, other = build_prop("sofa", 3), build_prop("sofa", 3), build_prop("sofa", 4)
    for first, second in zip(one.meshes, again.meshes, strict=True):
        assert (first.positions == second.positions).all()
        assert (first.colours == second.colours).all()
    assert one.radius == again.radius
    assert not np.array_equal(one.meshes[0].colours, other.meshes[0].colours)


def test_placing_turns_everything_about_the_origin_and_then_moves_it() -> None:
    prop = build_prop("coats", 5)
    moved = placed_prop(prop, 3.0, -2.0, np.pi / 2)
    # A quarter turn takes x to -z and z to x.
    for before, after in zip(prop.meshes, moved.meshes, strict=True):
        x, y, z = before.positions.T
        assert after.positions == pytest.approx(np.column_stack([z + 3, y, -x - 2]), abs=1e-5)
        assert after.normals == pytest.approx(before.normals @ rotation_y(np.pi / 2).T, abs=1e-5)
    for figure, figure_after in zip(prop.figures, moved.figures, strict=True):
        x, y, z = figure.position
        assert figure_after.position == pytest.approx((z + 3, y, -x - 2), abs=1e-5)
        assert figure_after.heading == pytest.approx(figure.heading + np.pi / 2)
    assert len(prop.figures) >= 1
    assert (moved.radius, moved.height) == (prop.radius, prop.height)
    board = build_prop("poster board", 5)
    turned = placed_prop(board, 1.0, 0.0, np.pi)
    for poster, poster_after in zip(board.posters, turned.posters, strict=True):
        expected = poster.corners * (-1, 1, -1) + (1, 0, 0)
        assert poster_after.corners == pytest.approx(expected, abs=1e-5)
    assert len(board.posters) == 2


def test_false_people_are_recorded() -> None:
    kinds = {name: {f.kind for seed in range(5) for f in build_prop(name, seed, indoors=True).figures} for name in
             ("coats", "coat stand", "mannequin", "statue")}  # fmt: skip
    assert kinds == {"coats": {"coat"}, "coat stand": {"coat"}, "mannequin": {"mannequin"}, "statue": {"statue"}}
    assert all(build_prop("easel", seed).posters for seed in range(5))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no prop 'unicorn'.*coat stand.*wardrobe"):
        build_prop("unicorn", 1)
