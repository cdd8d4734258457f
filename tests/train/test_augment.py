import colorsys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.train.augment import (
    Image8,
    Reframed,
    add_noise,
    blur,
    change_appearance,
    change_colours,
    compress,
    crop_and_fit,
    erasing_box,
    hue_and_saturation,
    jitter_colour,
    mix_channels,
    perturb_spectrum,
    reframe,
    scale_down_and_up,
    zoom_in,
    zoom_out,
)
from personsearch.train.config import AppearanceConfig, SceneAugmentConfig

EVERYTHING: dict[str, Any] = {
    "colour": 1.0, "hue": 0.1, "grey": 0.5, "pasta": 1.0, "downscale": 1.0, "blur": 1.0, "noise": 1.0, "jpeg": 1.0
}  # fmt: skip


def picture(height: int = 48, width: int = 80) -> Image8:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 4 % 256, columns * 3 % 256, (rows + columns) * 2 % 256], axis=-1).astype(np.uint8)


def one_person() -> tuple[Image8, np.ndarray]:
    image = np.zeros((96, 160, 3), np.uint8)
    image[40:60, 70:90] = 255
    return image, np.array([[70, 40, 90, 60]], np.float32)


WAYS: list[Callable[[Image8, Any, float, np.random.Generator], Reframed]] = [zoom_in, crop_and_fit, zoom_out]


@pytest.mark.parametrize("way", WAYS)
def test_boxes_move_with_people(way: Callable[..., Reframed]) -> None:
    image, boxes = one_person()
    seen = 0
    for seed in range(30):
        moved = way(image, boxes, 2.0, np.random.default_rng(seed))
        assert moved.image.shape == image.shape
        x1, y1, x2, y2 = moved.boxes[0].round().astype(int)
        if x2 - x1 > 6 and y2 - y1 > 6 and moved.visible[0] > 0.999:
            seen += 1
            assert moved.image[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 200
            around = moved.image.astype(int)
            around[max(y1 - 2, 0) : y2 + 2, max(x1 - 2, 0) : x2 + 2] = 0
            assert around.max() < 130  # the mean colour around a shrunk scene
    assert seen > 10


def test_zooming_out_keeps_everybody_whole() -> None:
    image, boxes = one_person()
    sides = []
    for seed in range(20):
        moved = zoom_out(image, boxes, 4.0, np.random.default_rng(seed))
        assert moved.visible == pytest.approx([1.0])
        sides.append(float(moved.boxes[0, 2] - moved.boxes[0, 0]))
    assert 5 <= min(sides) < 8
    assert 14 < max(sides) <= 20


def test_what_a_crop_cuts_off_is_measured() -> None:
    boxes = np.array([[0, 0, 20, 96]], np.float32)
    image = np.zeros((96, 160, 3), np.uint8)
    for way in (zoom_in, crop_and_fit):
        visible = [float(way(image, boxes, 3.0, np.random.default_rng(seed)).visible[0]) for seed in range(30)]
        assert min(visible) == 0
        assert max(visible) > 0.35


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(1.01, 5))
def test_boxes_stay_in_the_frame(seed: int, factor: float) -> None:
    image = np.zeros((30, 50, 3), np.uint8)
    boxes = np.array([[0, 0, 50, 30], [10, 5, 12, 20]], np.float32)
    for way in WAYS:
        moved = way(image, boxes, factor, np.random.default_rng(seed))
        assert (moved.boxes >= 0).all()
        assert (moved.boxes <= [50, 30, 50, 30]).all()
        assert (moved.visible <= 1 + 1e-4).all()


def test_a_scene_is_reframed_in_one_way_at_most() -> None:
    image, boxes = one_person()
    assert reframe(image, boxes, SceneAugmentConfig(), np.random.default_rng(0)) is None
    augment = SceneAugmentConfig(zoom=2.0, zoom_share=0.3, crop=2.0, crop_share=0.3, zoom_out=2.0, zoom_out_share=0.3)
    left = 0
    for seed in range(200):
        drawn = np.random.default_rng(seed).random()
        got = reframe(image, boxes, augment, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        rng.random()
        if drawn >= 0.9:
            assert got is None
            left += 1
        else:
            assert got is not None
            expected = WAYS[int(drawn / 0.3)](image, boxes, 2.0, rng)
            assert np.array_equal(got.image, expected.image)
            assert np.array_equal(got.boxes, expected.boxes)
    assert left > 5


def test_nothing_changes_without_being_asked_for() -> None:
    image, rng = picture(), np.random.default_rng(0)
    assert change_appearance(image, AppearanceConfig(), rng) is image
    assert jitter_colour(image, 0.0, rng) is image
    assert rng.random() == np.random.default_rng(0).random()  # and nothing was drawn


@pytest.mark.parametrize("one", [{}, *({name: value} for name, value in EVERYTHING.items())])
def test_a_change_follows_from_its_generator(one: dict[str, float]) -> None:
    augment = AppearanceConfig(**(one or EVERYTHING))
    image = picture()
    changed = [change_appearance(image, augment, np.random.default_rng(seed)) for seed in (1, 1, 2, 3, 4)]
    assert np.array_equal(changed[0], changed[1])
    assert any(not np.array_equal(changed[0], other) for other in changed[2:])
    for other in changed:
        assert (other.dtype, other.shape) == (np.uint8, image.shape)
    assert np.array_equal(image, picture())


def test_jitter_keeps_the_order_of_a_channel_s_values() -> None:
    image = np.stack([np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)] * 3, axis=-1)
    for seed in range(20):
        changed = jitter_colour(image, 0.3, np.random.default_rng(seed))
        assert changed.dtype == np.uint8
        assert (np.diff(changed.reshape(-1, 3).astype(int), axis=0) >= 0).all()
        assert not np.array_equal(changed, image)


def test_brightness_is_halved_and_doubled_equally_often() -> None:
    grey = np.full((8, 8, 3), 60, np.uint8)
    means = [change_colours(grey, 1.0, 0.0, np.random.default_rng(seed)).mean() for seed in range(300)]
    assert 29 <= min(means) < 35
    assert 105 < max(means) <= 121
    assert 0.4 < np.mean(np.array(means) < 60) < 0.6


def test_hue_and_saturation_leave_grey_alone() -> None:
    for turn, saturation in ((0.1, 2.0), (-0.3, 0.5), (0.0, 0.0)):
        assert hue_and_saturation(turn, saturation) @ [0.4, 0.4, 0.4] == pytest.approx([0.4] * 3)
    assert hue_and_saturation(0.0, 1.0) == pytest.approx(np.eye(3))
    assert hue_and_saturation(0.0, 0.0) @ [1, 0, 0] == pytest.approx([0.299] * 3, abs=1e-3)


def test_hue_turns_by_about_what_was_asked() -> None:
    start = np.array([0.6, 0.4, 0.4])
    turned = colorsys.rgb_to_hsv(*(hue_and_saturation(0.1, 1.0) @ start))[0]
    back = colorsys.rgb_to_hsv(*(hue_and_saturation(-0.1, 1.0) @ start))[0]
    assert min(turned, 1 - turned) == pytest.approx(0.1, abs=0.05)
    assert min(back, 1 - back) == pytest.approx(0.1, abs=0.05)
    assert (turned < 0.5) != (back < 0.5)


def test_mixing_channels_by_hand() -> None:
    image = np.array([[[10, 20, 200], [0, 0, 0]]], np.uint8)
    matrix = np.array([[0, 1, 0], [1.0, 0, 0], [0, 0, 2]])
    assert mix_channels(image, matrix, np.array([0.0, 5, 0])).tolist() == [[[20, 15, 255], [0, 5, 0]]]


def test_the_spectrum_s_noise_keeps_mean_and_phase_and_grows_with_frequency() -> None:
    flat = np.full((32, 48, 3), 90, np.uint8)
    assert np.array_equal(perturb_spectrum(flat, np.random.default_rng(0)), flat)
    rows = np.arange(64)[:, None, None]

    def change(waves: int) -> float:
        image = np.broadcast_to(128 + 40 * np.cos(2 * np.pi * waves * rows / 64), (64, 64, 3)).round().astype(np.uint8)
        got = [perturb_spectrum(image, np.random.default_rng(seed)).astype(float) for seed in range(20)]
        for one in got:
            assert one.mean() == pytest.approx(image.mean(), abs=1)
            assert np.allclose(one, one[:, :1], atol=1)  # no waves where there were none
        return float(np.mean([np.abs(one - image).mean() for one in got]))

    assert change(12) > 2 * change(2)


def test_odd_sizes_survive_the_spectrum() -> None:
    image = picture(33, 51)
    assert perturb_spectrum(image, np.random.default_rng(0)).shape == image.shape


def test_noise_has_the_level_asked_for() -> None:
    image = np.full((100, 100, 3), 128, np.uint8)
    noisy = add_noise(image, 10.0, np.random.default_rng(0)).astype(float)
    assert noisy.std() == pytest.approx(10, rel=0.03)
    assert noisy.mean() == pytest.approx(128, abs=0.3)


def test_blur_scaling_and_jpeg_lose_detail_and_keep_the_mean() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for changed in (blur(image, 1.5), scale_down_and_up(image, 0.5), compress(image, 30)):
        assert changed.shape == image.shape
        assert changed.std() < image.std()
        assert changed.mean() == pytest.approx(image.mean(), abs=2)
    assert (
        np.abs(compress(picture(), 95).astype(int) - picture()).mean()
        < np.abs(compress(picture(), 10).astype(int) - picture()).mean()
    )


def test_erasing_boxes_are_inside_and_of_the_right_area() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        left, top, right, bottom = erasing_box(128, 64, rng)
        assert 0 <= left < right <= 64
        assert 0 <= top < bottom <= 128
        assert 0.015 < (right - left) * (bottom - top) / (128 * 64) < 0.42


def test_a_crop_too_small_to_erase_stays_whole() -> None:
    assert erasing_box(1, 1, np.random.default_rng(0)) == (0, 0, 0, 0)
