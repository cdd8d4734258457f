import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from personsearch.canvas import CROP_MARGIN, PAD_COLOUR, crop_to_canvas, resized_size, to_canvas


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1080, 1920), (540, 960)), ((576, 720), (640, 800)), ((640, 960), (640, 960)), ((480, 480), (640, 640))],
)
def test_the_papers_resize_rule(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert resized_size(*size, min_size=640, max_size=960) == expected


@given(st.integers(1, 300), st.integers(1, 300))
def test_canvas_sides_and_the_way_back(height: int, width: int) -> None:
    image = np.full((height, width, 3), 7, np.uint8)
    canvas = to_canvas(image, 64, 96)
    rows, columns = canvas.pixels.shape[1:]
    assert rows % 32 == columns % 32 == 0
    assert rows <= 96
    assert columns <= 96
    whole = np.array([[0, 0, width, height]], np.float32)
    assert np.allclose(canvas.to_original(canvas.to_canvas(whole)), whole, atol=1e-3)
    inside = resized_size(height, width, 64, 96)
    assert (canvas.pixels[:, : inside[0], : inside[1]] == 7).all()
    assert (canvas.pixels[:, inside[0] :, :] == torch.tensor(PAD_COLOUR).view(3, 1, 1)).all()


def test_boxes_are_clipped_to_the_original() -> None:
    canvas = to_canvas(np.zeros((50, 100, 3), np.uint8), 64, 96)
    got = canvas.to_original(np.array([[-5.0, -5, 500, 500]], np.float32))
    assert got.tolist() == [[0.0, 0.0, 100.0, 50.0]]


def test_a_crop_stands_at_a_person_s_height_with_its_edge_repeated_around_it() -> None:
    rows = np.repeat(np.arange(1, 53, dtype=np.uint8)[:, None], 20, axis=1)  # each row of one grey: 1 .. 52
    canvas = crop_to_canvas(np.repeat(rows[..., None], 3, axis=2), 52)
    assert canvas.pixels.shape == (3, 160, 128)  # 52 + 2 * 48 = 148 and 20 + 2 * 48 = 116, to multiples of 32
    assert canvas.to_canvas(np.array([[0, 0, 20, 52]], np.float32)).tolist() == [[48, 48, 68, 100]]
    assert canvas.to_original(np.array([[48, 48, 68, 100]], np.float32)).tolist() == [[0, 0, 20, 52]]
    column = canvas.pixels[0, :, 0].tolist()
    assert column == [1] * 48 + list(range(1, 53)) + [52] * 60
    assert (canvas.pixels == canvas.pixels[:, :, :1]).all()


@pytest.mark.parametrize(
    ("size", "shown"),  # height, width; at a height of 104
    [
        ((208, 80), (104, 40)),
        ((52, 20), (104, 40)),
        ((100, 100), (104, 104)),
        ((104, 416), (52, 208)),  # wider than two heights: shown smaller
        ((8, 3000), (1, 208)),
        ((3000, 8), (104, 1)),
        ((1, 1), (104, 104)),
    ],
)
def test_the_size_of_a_crop_on_its_canvas(size: tuple[int, int], shown: tuple[int, int]) -> None:
    canvas = crop_to_canvas(np.full((*size, 3), 9, np.uint8), 104)
    height, width = size
    [[x1, y1, x2, y2]] = canvas.to_canvas(np.array([[0, 0, width, height]], np.float32)).tolist()
    assert (y2 - y1, x2 - x1) == pytest.approx(shown, abs=1e-3)
    assert x1 == y1 == CROP_MARGIN
    assert (canvas.pixels == 9).all()


@given(st.integers(1, 400), st.integers(1, 400))
def test_a_crop_s_canvas_is_never_large(height: int, width: int) -> None:
    canvas = crop_to_canvas(np.zeros((height, width, 3), np.uint8), 104)
    rows, columns = canvas.pixels.shape[1:]
    assert rows % 32 == columns % 32 == 0
    assert rows <= 224
    assert columns <= 320
    whole = np.array([[0, 0, width, height]], np.float32)
    assert np.allclose(canvas.to_original(canvas.to_canvas(whole)), whole, atol=1e-2)


def test_a_canvas_of_a_reduced_picture_is_the_one_of_the_whole() -> None:
    whole = np.random.default_rng(0).integers(0, 256, (301, 405, 3), np.uint8)
    half = whole[::2, ::2]  # 151x203: its last row and column stand for half as many pixels
    for canvas, like in (
        (to_canvas(half, 64, 96, image_size=(301, 405), reduction=2), to_canvas(whole, 64, 96)),
        (crop_to_canvas(half, 52, image_size=(301, 405), reduction=2), crop_to_canvas(whole, 52)),
    ):
        assert canvas.pixels.shape == like.pixels.shape
        assert canvas.image_size == like.image_size == (301, 405)
        assert canvas.offset == like.offset
        # The canvas pixels of 151x203 stand for 302x406.
        assert canvas.scale == pytest.approx((like.scale[0] * 405 / 406, like.scale[1] * 301 / 302))
        everything = np.array([[0, 0, 500, 500]], np.float32) * max(canvas.scale)
        assert canvas.to_original(everything + 999).tolist() == [[405, 301, 405, 301]]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux does")
def test_preparing_in_a_thread_starts_no_further_ones() -> None:
    """Torch starts a team of threads for each thread that copies with it: on 16 cores, 16 teams of 16."""
    image = np.zeros((1080, 1920, 3), np.uint8)

    def threads_started(_: int) -> int:
        before = set(os.listdir("/proc/self/task"))
        to_canvas(image, 640, 960)
        crop_to_canvas(image, 400)
        return len(set(os.listdir("/proc/self/task")) - before)

    with ThreadPoolExecutor(1) as pool:
        assert list(pool.map(threads_started, range(2))) == [0, 0]
