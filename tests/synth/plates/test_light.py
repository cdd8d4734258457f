"""Light measured on plates."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from personsearch.synth.plates.light import find_light_map, light_of_panorama, light_of_view
from tests.synth.plates.folders import add_picture
from tests.synth.plates.test_views import panorama_with_spot


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def grey(level: int, shape: tuple[int, int] = (256, 512)) -> np.ndarray:
    return np.full((*shape, 3), level, np.uint8)


def sunny(heading: float, elevation: float, size: int = 14) -> np.ndarray:
    spot = panorama_with_spot(heading, elevation, 512)
    return np.maximum(grey(90), cv2.dilate(spot, np.ones((size, size), np.uint8)))


@pytest.mark.parametrize(("heading", "elevation"), [(0, 40), (90, 25), (215, 60), (300, 12)])
def test_a_bright_spot_is_the_sun(heading: float, elevation: float) -> None:
    light = light_of_panorama(sunny(heading, elevation), name="day", outdoors=True, rng=rng())
    turn, up = np.radians(heading), np.radians(elevation)
    expected = np.cos(up) * np.sin(turn), np.sin(up), np.cos(up) * np.cos(turn)
    assert float(np.dot(light.sun_direction, expected)) > np.cos(np.radians(6))
    assert max(light.sun) > max(light.sky)
    mirrored = light_of_panorama(sunny(heading, elevation), name="day", outdoors=True, rng=rng(), mirrored=True)
    assert mirrored.sun_direction == pytest.approx(np.array(light.sun_direction) * (-1, 1, 1))


def test_without_a_bright_spot_or_indoors_there_is_no_sun() -> None:
    for picture, outdoors in ((grey(90), True), (sunny(30, 40), False), (grey(255), True)):
        light = light_of_panorama(picture, name="day", outdoors=outdoors, rng=rng())
        assert light.sun_direction[1] > 0.9
        assert max(light.sun) < 0.8 * max(light.sky)


@pytest.mark.parametrize("measure", [light_of_panorama, light_of_view])
def test_level_and_tint_of_the_light_are_those_of_the_picture(measure) -> None:  # noqa: ANN001
    dark, bright = (measure(grey(level), name="day", outdoors=False, rng=rng()) for level in (60, 120))
    # The level is linear light, which grows with the 2.2th power of a value, or a little faster.
    assert np.mean(bright.sky) / np.mean(dark.sky) == pytest.approx(2**2.2, rel=0.1)
    assert bright.sky == pytest.approx((np.mean(bright.sky),) * 3)
    warm = grey(100)
    warm[..., 2] = 60
    red, green, blue = measure(warm, name="day", outdoors=False, rng=rng()).sky
    assert red == pytest.approx(green)
    assert blue < 0.7 * red


def test_light_from_above_and_from_below_are_told_apart() -> None:
    halves = np.concatenate([grey(160, (128, 512)), grey(40, (128, 512))])
    light = light_of_view(halves, name="day", outdoors=False, rng=rng())
    turned = light_of_view(halves[::-1].copy(), name="day", outdoors=False, rng=rng())
    assert np.mean(light.sky) / np.mean(light.ground) > 1.5 * np.mean(turned.sky) / np.mean(turned.ground)


def test_half_of_the_flat_photographs_outdoors_by_day_have_a_sun() -> None:
    def suns(name: str, outdoors: bool) -> int:
        count = 0
        for seed in range(60):
            light = light_of_view(grey(120), name=name, outdoors=outdoors, rng=np.random.default_rng(seed))
            count += light.sun[0] > 0.6 * light.sky[0]
        return count

    assert 20 <= suns("day", True) <= 40
    assert suns("night", True) == suns("day", False) == 0


def test_a_light_map_says_where_light_comes_from_indoors_too(tmp_path: Path) -> None:
    picture = add_picture(tmp_path, "hall_2k.jpg", 1024, 512)
    assert find_light_map(tmp_path / "none.jpg") is None
    radiance = np.full((128, 256, 3), 0.4, np.float32)
    spot = panorama_with_spot(130, 35, 256)[..., 0] > 0
    radiance[spot] = 60
    (tmp_path / "lighting").mkdir()
    cv2.imwrite(str(tmp_path / "lighting" / "hall.hdr"), radiance)
    light_map = find_light_map(picture)
    assert light_map is not None
    assert light_map.shape == (48, 96, 3)
    light = light_of_panorama(grey(90), name="day", outdoors=False, rng=rng(), light_map=light_map)
    up, turn = np.radians(35), np.radians(130)
    expected = np.cos(up) * np.sin(turn), np.sin(up), np.cos(up) * np.cos(turn)
    assert float(np.dot(light.sun_direction, expected)) > np.cos(np.radians(6))
    # Its irradiance over pi is about 2.7 times the ambient radiance.
    assert 1.5 < light.sun[0] / light.sky[0] < 5
    (tmp_path / "lighting" / "torn.hdr").write_bytes(b"#?RADIANCE\n")
    assert find_light_map(tmp_path / "torn.jpg") is None
