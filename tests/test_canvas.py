import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from personsearch.canvas import PAD_COLOUR, resized_size, to_canvas


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
