"""The ground plane of a camera from two people."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch.errors import ImageError
from personsearch.synth.cameras import Camera
from personsearch.synth.plan.photographs import camera_for
from personsearch.synth.plates.library import find_plates
from personsearch.synth.recipe import Recipe
from personsearch.train.adaptation.ground import FIELD_OF_VIEW, GroundPlane, find_ground_plane
from personsearch.train.adaptation.places import copied_pictures, copy_pictures, describe_pictures

SIZE = (960, 640)


def camera_of(height: float, pitch: float) -> Camera:
    """A camera at x = z = 0 that looks along z, ``pitch`` degrees down."""
    down = np.radians(pitch)
    return Camera(
        name="c",
        eye=(0.0, height, 0.0),
        target=(0.0, height - float(np.sin(down)), float(np.cos(down))),
        field_of_view=FIELD_OF_VIEW,
        width=SIZE[0],
        height=SIZE[1],
        aspect=SIZE[0] / SIZE[1],
    )


def box_of(camera: Camera, x: float, z: float, tall: float = 1.7) -> list[float]:
    """The box of a straight line from the ground upwards, with some width."""
    pixels, _ = camera.project(np.array([[x, 0, z], [x, tall, z]]))
    (_, feet), (column, head) = pixels
    return [column - 20, head, column + 20, feet]


def test_a_camera_that_looks_straight_ahead_is_solved_by_hand() -> None:
    # The horizon goes through both heads, so the camera hangs as high as the people are tall.
    plane = find_ground_plane([[10, 200, 60, 300], [100, 200, 200, 399]], (600, 400))
    assert plane.camera_height == pytest.approx(1.7, rel=1e-3)
    assert plane.horizon == pytest.approx(0.5, abs=1e-3)
    doors = find_ground_plane([[10, 200, 60, 300], [100, 200, 200, 399]], (600, 400), height=2.0)
    assert doors.camera_height == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize(
    ("height", "pitch", "places"),
    [
        (1.5, 0.0, [(0.0, 4.0), (-2.0, 9.0)]),
        (2.5, 15.0, [(0.5, 4.5), (-2.0, 11.0)]),
        (3.0, 35.0, [(0.0, 2.4), (1.0, 4.2)]),
        (6.0, 25.0, [(2.0, 9.0), (-4.0, 25.0)]),
        (1.2, -4.0, [(0.0, 5.0), (1.0, 12.0)]),
    ],
)
def test_height_and_horizon_of_a_tilted_camera_come_back(
    height: float, pitch: float, places: list[tuple[float, float]]
) -> None:
    camera = camera_of(height, pitch)
    plane = find_ground_plane([box_of(camera, x, z) for x, z in places], SIZE)
    focal = SIZE[0] / SIZE[1] / 2 / np.tan(np.radians(FIELD_OF_VIEW) / 2)
    assert plane.camera_height == pytest.approx(height, rel=0.02)
    assert plane.horizon == pytest.approx(0.5 - focal * np.tan(np.radians(pitch)), abs=0.01)


def test_the_renderer_draws_people_of_the_size_of_the_boxes(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 255, (*SIZE[::-1], 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "own" / f"{number}.jpg")
    boxes = [box_of(camera_of(3.0, 30.0), 0.0, 3.0), box_of(camera_of(3.0, 30.0), 1.0, 7.0)]
    copy_pictures(sorted((tmp_path / "own").iterdir()), (), tmp_path / "places")
    describe_pictures(tmp_path / "places", find_ground_plane(boxes, SIZE), "indoors", SIZE[0] / SIZE[1])
    plates = [plate for part in ("train", "held-back") for plate in find_plates(str(tmp_path / "places" / part))]
    assert len(plates) == len(copied_pictures(tmp_path / "places")) == 3
    recipe = Recipe.model_validate({"width": SIZE[0], "height": SIZE[1], "places": {"least_window": 1.0}})
    for plate in plates:
        assert plate.outdoors is False
        camera = camera_for(plate, recipe, "c", np.random.default_rng(0))
        for box, (x, z) in zip(boxes, [(0.0, 3.0), (1.0, 7.0)], strict=True):
            assert box_of(camera, x, z) == pytest.approx(box, abs=3)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[10, 100, 50, 300]], "not 1; without any"),
        ([[10, 100, 50, 300]] * 3, "not 3"),
        ([[10, 50, 60, 300], [100, 250, 200, 399]], "nearer one is not the taller one"),
        ([[10, 200, 60, 300], [100, 150, 200, 305]], "stand in the same row, 300 and 305"),
        ([[10, 200, 60, 300], [100, 0, 200, 390]], "upper or lower edge"),
        ([[10, 200, 60, 300], [100, 100, 200, 400]], "upper or lower edge"),
        ([[10, 250, 60, 260], [100, 20, 200, 280]], r"0\.\d+ m above the ground, which cannot be"),
        ([[10, 200, 60, 300], [700, 100, 800, 390]], "no area inside the 600x400 image"),
        ([[10, 200, 60], [1, 2, 3]], "four numbers"),
    ],
)
def test_a_floor_that_cannot_be_is_refused(boxes: list[list[float]], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        find_ground_plane(boxes, (600, 400), name="a.jpg")


def test_people_of_no_height_are_refused() -> None:
    with pytest.raises(ImageError, match="--person-height 170: must be in metres"):
        find_ground_plane([[10, 200, 60, 300], [100, 200, 200, 399]], (600, 400), height=170)


def test_a_plane_is_written_as_a_manifest_has_it() -> None:
    text = json.dumps(GroundPlane(2.34567, -0.25, 60.0).to_dict())
    assert json.loads(text) == {"camera_height": 2.3457, "horizon": -0.25, "field_of_view": 60.0}
