"""Photographs: the same pixels in whatever order they are taken; the sensor of each camera."""

import json
from pathlib import Path

import numpy as np

from personsearch.synth.photography import GAIN_RANGE, Photographer, sensor_of
from personsearch.synth.plan import Frame, plan
from personsearch.synth.recipe import load_recipe
from personsearch.synth.sensor import PERFECT, encode_jpeg, photo_sensor, sensor_for
from tests.synth.pictures import BlockPainter, appearance, camera, frame, job, make_small, small_plan

HAND_HELD = ["cameras.hand_held=true", "cameras.per_scene=1", "cameras.heights=[1.4, 2.0]"]


class CountingPainter(BlockPainter):
    """Records what it draws."""

    def __init__(self) -> None:
        self.gains: list[tuple[str, float]] = []

    def draw(self, planned: Frame, gain: float):  # noqa: ANN201
        self.gains.append((planned.name, gain))
        return super().draw(planned, gain)


def test_photographs_in_any_order_are_the_pictures_of_a_made_set(tmp_path: Path) -> None:
    recipe = load_recipe("street-small")
    folder = make_small(tmp_path / "set", recipe=recipe)
    rows = json.loads((folder / "test.json").read_text())["images"]
    stored = {Path(row["file_name"]).stem: folder / row["file_name"] for row in rows}
    compared = 0
    for one in (one for one in small_plan() if one.split == "test"):
        photographer = Photographer(BlockPainter(), one, recipe)
        for planned in reversed(one.frames):
            assert encode_jpeg(photographer.take(planned).image) == stored[planned.name].read_bytes()
            compared += 1
    assert compared == len(rows) == 15


def test_a_camera_is_exposed_once_for_each_light_by_its_first_frame() -> None:
    frames = [frame([appearance()], name=f"f{n}", light=int(n >= 2), seed=n) for n in range(4)]
    painter = CountingPainter()
    photographer = Photographer(painter, job(frames), load_recipe("tiny"))
    for planned in (frames[1], frames[0], frames[3]):
        photographer.take(planned)
    assert [name for name, _ in painter.gains] == ["f0", "f1", "f0", "f2", "f3"]
    metered, first, second, *rest = (gain for _, gain in painter.gains)
    assert metered == rest[0] == 1.0
    assert first == second != rest[1]
    assert GAIN_RANGE[0] <= first <= GAIN_RANGE[1]


def test_every_hand_held_photograph_is_exposed_for_itself() -> None:
    frames = [frame([appearance()], name=f"f{n}", camera=camera(f"s1c{n}"), seed=n) for n in range(2)]
    painter = CountingPainter()
    photographer = Photographer(painter, job(frames, camera="s1c0"), load_recipe("tiny"))
    photographs = [photographer.take(planned) for planned in frames]
    assert [name for name, _ in painter.gains] == ["f0", "f0", "f1", "f1"]
    assert not np.array_equal(photographs[0].image, photographs[1].image)


def test_hand_held_photographs_have_sensors_of_their_own() -> None:
    recipe = load_recipe("tiny", HAND_HELD)
    first = plan(recipe)[0]
    sensors = [sensor_of(first, planned, recipe) for planned in first.frames]
    assert sensors == [photo_sensor(planned.seed) for planned in first.frames]
    assert len(set(sensors)) == len(sensors)
    assert {sensor.interlace for sensor in sensors} == {0}
    perfect = load_recipe("tiny", [*HAND_HELD, "randomise.sensor=false"])
    assert {sensor_of(first, planned, perfect) for planned in first.frames} == {PERFECT}


def test_a_fixed_camera_keeps_its_sensor() -> None:
    recipe = load_recipe("tiny")
    for planned in plan(recipe):
        assert {sensor_of(planned, one, recipe) for one in planned.frames} == {sensor_for(planned.sensor_seed)}
