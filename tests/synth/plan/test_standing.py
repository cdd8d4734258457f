"""Where people and things stand before the camera of a photograph."""

import numpy as np
import pytest

from personsearch.synth.cameras import Camera
from personsearch.synth.plan import Appearance, Thing
from personsearch.synth.plan.occluders import Extent, extent_of, moved
from personsearch.synth.plan.standing import Ground, stand
from personsearch.synth.recipe import load_recipe
from personsearch.synth.world.props import build_prop, placed_prop

Scenes = list[tuple[list[Appearance], list[Thing]]]
BARE = ["places.occluders=0", "places.things=0"]


def camera(pitch: float = 0.0, eye: float = 1.6, view: float = 65.0) -> Camera:
    angle = np.radians(pitch)
    target = (0.0, eye + float(np.sin(angle)), float(np.cos(angle)))
    return Camera(name="c", eye=(0.0, eye, 0.0), target=target, field_of_view=view, width=960, height=640, aspect=1.5)


def scenes(
    count: int, view: Camera, ground: Ground, people: int, *more: str
) -> list[tuple[list[Appearance], list[Thing]]]:
    recipe = load_recipe("tiny", list(more))
    who = [(seed, seed, 0) for seed in range(people)]
    return [stand(recipe, view, ground, who, np.random.default_rng(seed)) for seed in range(count)]


def heights(view: Camera, frames: Scenes) -> np.ndarray:
    feet = np.array([[one.position[0], 0.0, one.position[1]] for people, _ in frames for one in people])
    low, high = view.project(feet)[0], view.project(feet + (0, 1.73, 0))[0]
    return (low[:, 1] - high[:, 1]) / view.height


@pytest.mark.parametrize(("pitch", "eye"), [(0.0, 1.6), (-12.0, 2.5)])
def test_all_octaves_of_the_heights_are_about_equally_frequent_outdoors(pitch: float, eye: float) -> None:
    view = camera(pitch, eye)
    seen = heights(view, scenes(900, view, Ground(1.2, 40.0, indoors=False), 1, *BARE))
    assert len(seen) > 850
    assert seen.min() < 0.06
    assert seen.max() > (1.0 if pitch == 0 else 0.85)  # one that looks down from above sees nobody so large
    assert seen.min() > 0.04
    assert seen.max() < 1.25
    counts, _ = np.histogram(np.log2(seen), np.log2([0.05, 0.1, 0.2, 0.4, 0.8]))
    assert counts.min() > 0.7 * counts.max()


def test_a_camera_that_hangs_high_and_looks_down_steeply_sees_people_too() -> None:
    view = camera(-40, 3.5)
    frames = scenes(60, view, Ground(1.0, 12.0), 3, *BARE)
    assert np.mean([len(people) for people, _ in frames]) > 2.3
    for people, _ in frames:
        for one in people:
            middle = np.array([[one.position[0], 0.9, one.position[1]]])
            [(x, y)], _ = view.project(middle)
            assert -200 < x < 1160
            assert -300 < y < 940


def test_people_keep_their_distance_and_stay_within_the_depth_of_the_place() -> None:
    view, ground = camera(), Ground(1.0, 7.0, indoors=True)
    for people, things in scenes(60, view, ground, 5, *BARE):
        assert things == []
        places = np.array([one.position for one in people])
        apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + 9 * np.eye(len(places))
        assert apart.min() >= 0.5
        assert places[:, 1].min() >= ground.near - 1e-9
        assert places[:, 1].max() <= ground.far + 1e-9
        assert all(one.companion_thing != "umbrella" for one in people)


@pytest.mark.parametrize("indoors", [True, False, None])
def test_things_are_in_nobodys_way_and_hide_nobody_wholly(indoors: bool | None) -> None:
    view = camera(-8, 1.7)
    frames = scenes(30, view, Ground(1.5, 14.0, indoors), 4, "places.occluders=1.0", "places.things=1.0")
    things = [thing for _, own in frames for thing in own]
    assert len(things) > 45
    if indoors is not None:
        assert {thing.indoors for thing in things} == {indoors}
    else:
        assert {thing.indoors for thing in things} == {True, False}
    facing = [np.cos(one.heading - np.arctan2(-one.position[0], -one.position[1])) for one in things]
    assert np.mean(facing) > 0.6
    for people, own in frames[:5]:
        for thing in own:
            prop = placed_prop(
                build_prop(thing.name, thing.seed, indoors=thing.indoors), *thing.position, thing.heading
            )
            points = np.concatenate([mesh.positions for mesh in prop.meshes])
            points = points[points[:, 1] < 1.8][:, [0, 2]]
            for one in people:
                assert np.linalg.norm(points - one.position, axis=1).min() > 0.1


def test_the_extent_of_a_prop_and_where_its_corners_go() -> None:
    prop = build_prop("wardrobe", 3, indoors=True)
    extent = extent_of(prop)
    points = np.concatenate([mesh.positions for mesh in prop.meshes])
    points = points[points[:, 1] < 2.2]
    x1, z1, x2, z2 = extent.area
    assert (x1, x2) == (points[:, 0].min(), points[:, 0].max())
    assert (z1, z2) == (points[:, 2].min(), points[:, 2].max())
    # Heading a quarter turn: what was in front (+z) is towards +x.
    assert moved((0.0, 1.0), np.pi / 2, (3.0, 5.0)) == pytest.approx((4.0, 5.0))
    corner = placed_prop(prop, 3.0, 5.0, 0.7).meshes[0].positions[0]
    start = prop.meshes[0].positions[0]
    assert moved((float(start[0]), float(start[2])), 0.7, (3.0, 5.0)) == pytest.approx(corner[[0, 2]], abs=1e-5)
    assert Extent((-1.0, 0.0, 3.0, 1.0), 1.0).middle == (1.0, 0.5)
    assert Extent((-1.0, 0.0, 3.0, 1.0), 1.0).half == (2.0, 0.5)
