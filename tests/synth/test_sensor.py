import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.synth.backgrounds import random_background
from personsearch.synth.sensor import (
    PERFECT,
    Sensor,
    develop,
    encode_jpeg,
    exposure_gain,
    grey_world,
    mean_luma,
    sensor_for,
)


def rendered(light: np.ndarray) -> np.ndarray:
    """Turn linear light into pixels as main.glsl does."""
    return np.rint(255 * np.clip(light / (1 + 0.25 * light), 0, 1) ** (1 / 2.2)).astype(np.uint8)


def scene(seed: int = 0, shape: tuple[int, int] = (64, 96), brightest: float = 1.0) -> np.ndarray:
    """Return patches of random colours and brightnesses."""
    rng = np.random.default_rng(seed)
    light = rng.uniform(0, brightest, (shape[0] // 16, shape[1] // 16, 3)).repeat(16, axis=0).repeat(16, axis=1)
    return rendered(light)


def flat(value: int) -> np.ndarray:
    return np.full((64, 96, 3), value, np.uint8)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0])
def test_gain_is_on_linear_light(gain: float) -> None:
    light = np.linspace(0.02, 0.6, 96).repeat(64).reshape(96, 64).T[..., None].repeat(3, axis=2)
    developed = develop(rendered(light), PERFECT, rng(), gain)
    # The gain stretches the few levels of the dark end, so rounding may cost a few levels.
    assert np.abs(developed.astype(int) - rendered(light * gain)).max() <= 3


def test_perfect_sensor_at_gain_one_changes_nothing() -> None:
    assert np.array_equal(develop(scene(), PERFECT, rng(), 1.0), scene())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([0.5, 0.8, 1.0]))
def test_every_sensor_reaches_its_target(seed: int, scale: float) -> None:
    sensor = sensor_for(seed)
    image = scene(seed, (320, 480), brightest=0.3 * scale**2)
    developed = develop(image, sensor, rng(), balance=grey_world(image), target_scale=scale)
    assert (developed.shape, developed.dtype) == (image.shape, np.uint8)
    assert mean_luma(developed) == pytest.approx(sensor.exposure * scale, abs=0.02)


def test_exposure_of_the_light_and_of_the_picture_agree() -> None:
    light = np.random.default_rng(0).uniform(0.01, 0.15, (64, 96, 3))
    gain = exposure_gain(rendered(light), PERFECT, 0.3, 4.0)
    assert mean_luma(rendered(light * gain)) == pytest.approx(PERFECT.exposure, abs=0.02)


def test_exposure_stays_between_its_bounds() -> None:
    assert exposure_gain(flat(2), PERFECT, 0.5, 3.0) == pytest.approx(3.0, rel=1e-3)
    assert exposure_gain(flat(255), PERFECT, 0.5, 3.0) == pytest.approx(0.5, rel=1e-3)


def test_grey_world_removes_part_of_a_colour_cast() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[:] = (150, 100, 100)
    # The mean is 116.7; (116.7 / 150) ** 0.6 is 0.860.
    assert grey_world(image) == pytest.approx([0.860, 1.097, 1.097], abs=1e-3)
    assert grey_world(flat(80)) == pytest.approx([1, 1, 1])


def test_white_balance_noise_and_vignette() -> None:
    warm = develop(flat(128), Sensor(white_balance=(1.1, 1.0, 0.9)), rng(), 1.0)
    assert warm[0, 0].tolist() == [141, 128, 115]
    noisy = develop(flat(128), Sensor(noise=0.02), rng(), 1.0).astype(float)
    assert noisy.std() == pytest.approx(0.02 * 255, rel=0.1)
    assert noisy.mean() == pytest.approx(128, abs=0.5)
    vignetted = develop(flat(200), Sensor(vignette=0.2), rng(), 1.0)
    assert vignetted[0, 0, 0] == pytest.approx(200 * 0.8, abs=1)
    assert vignetted[32, 48, 0] == pytest.approx(200, abs=1)


def test_saturation_keeps_luma() -> None:
    grey = develop(scene(), Sensor(saturation=0.0), rng(), 1.0)
    assert np.ptp(grey.astype(int), axis=2).max() <= 1
    assert mean_luma(grey) == pytest.approx(mean_luma(scene()), abs=0.005)


def test_amplified_light_has_more_noise() -> None:
    quiet, loud = (develop(flat(60), Sensor(noise=0.01), rng(), gain).astype(float).std() for gain in (1.0, 3.0))
    assert loud == pytest.approx(quiet * 3**0.5, rel=0.15)
    night = develop(flat(60), Sensor(noise=0.01), rng(), 1.0, target_scale=0.5).astype(float).std()
    assert night == pytest.approx(quiet * 2, rel=0.15)


@pytest.mark.parametrize("interlace", [1, 2])
def test_interlacing_moves_every_other_row(interlace: int) -> None:
    ramp = np.arange(96, dtype=np.uint8)[None, :, None].repeat(64, axis=0).repeat(3, axis=2)
    developed = develop(ramp, Sensor(interlace=interlace), rng(), 1.0)
    assert np.array_equal(developed[::2], ramp[::2])
    shift = int(ramp[1, 40, 0]) - int(developed[1, 40, 0])
    assert abs(shift) == interlace
    assert np.array_equal(developed[1, 10:80, 0], ramp[1, 10:80, 0] - shift)


def test_blur_and_motion_keep_the_mean_and_soften() -> None:
    image = scene()
    for sensor in (Sensor(blur=1.5), Sensor(motion_blur=1.0), Sensor(downscale=0.6), Sensor(quality=30)):
        developed = develop(image, sensor, rng(), 1.0)
        assert not np.array_equal(developed, image)
        assert developed.mean() == pytest.approx(image.mean(), abs=1.5)


def test_motion_blur_smears_its_share_of_the_frames() -> None:
    sensor = Sensor(motion_blur=0.25)
    smeared = sum(
        not np.array_equal(develop(scene(), sensor, np.random.default_rng(k), 1.0), scene()) for k in range(200)
    )
    assert 30 <= smeared <= 70


def test_sensors_are_functions_of_their_seed() -> None:
    assert sensor_for(5) == sensor_for(5)
    sensors = [sensor_for(seed) for seed in range(300)]
    assert len(set(sensors)) == 300
    assert 20 <= sum(sensor.interlace > 0 for sensor in sensors) <= 75
    assert {sensor.downscale for sensor in sensors} == {1.0, 0.8, 0.7, 0.6}


def test_development_is_repeatable_and_leaves_its_input_alone() -> None:
    image, before = scene(), scene()
    first, second = (develop(image, sensor_for(1), np.random.default_rng([1, 2]), balance=(1, 1, 1)) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(image, before)


def test_jpeg_is_rgb() -> None:
    import cv2

    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 250
    read = cv2.imdecode(np.frombuffer(encode_jpeg(red), np.uint8), cv2.IMREAD_COLOR)
    assert read[8, 8, 2] > 240
    assert read[8, 8, 0] < 10


def test_random_background_keeps_only_the_people() -> None:
    image = scene(shape=(64, 96))
    owner = np.zeros((64, 96), np.uint8)
    owner[16:48, 32:64] = 1
    kinds = []
    for seed in range(12):
        changed = random_background(image, owner, np.random.default_rng(seed))
        assert np.array_equal(changed[20:44, 36:60], image[20:44, 36:60])
        kinds.append(changed[owner == 0])
        assert (kinds[-1] != image[owner == 0]).mean() > 0.9
    assert not np.array_equal(kinds[0], kinds[1])
    assert np.array_equal(random_background(image, owner, np.random.default_rng(0))[owner == 0], kinds[0])
