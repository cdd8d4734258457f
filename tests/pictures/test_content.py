import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.content import content_digest


def test_files_and_bytes_have_the_digest_of_their_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    assert content_digest(path) == content_digest(str(path)) == content_digest(content) == expected


PIXELS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 3), st.just(3)))


@settings(deadline=None, max_examples=80)
@given(PIXELS, PIXELS)
def test_arrays_agree_exactly_when_their_values_and_shapes_do(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> None:
    same = one.shape == other.shape and bool((one == other).all())
    assert (content_digest(one) == content_digest(other)) == same
    assert content_digest(one) == content_digest(np.asfortranarray(one))
    assert content_digest(torch.from_numpy(one)) == content_digest(torch.from_numpy(one.copy()))
    pictures = Image.fromarray(one), Image.fromarray(other)
    assert (content_digest(pictures[0]) == content_digest(pictures[1])) == same


def test_what_is_shown_differently_differs() -> None:
    pixels = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    plain = Image.fromarray(pixels)
    data = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    plain.save(data, "PNG", exif=exif)
    palettes = [Image.new("P", (4, 3)), Image.new("P", (4, 3))]
    palettes[0].putpalette([0, 0, 0, 255, 255, 255])
    palettes[1].putpalette([9, 9, 9, 255, 255, 255])
    inputs = [
        pixels,
        pixels.reshape(4, 3, 3),
        pixels.astype(np.uint16),
        torch.from_numpy(pixels),
        torch.from_numpy(pixels).to(torch.bfloat16),
        plain,
        plain.convert("L"),
        Image.open(data),
        *palettes,
        data.getvalue(),
    ]
    assert len({content_digest(one) for one in inputs}) == len(inputs)


@pytest.mark.parametrize(
    ("source", "message"),
    [("/nowhere/a.jpg", "/nowhere/a.jpg: no such file"), ("/", "/: is a folder"), (12, "cannot be used as an image")],
)
def test_what_cannot_be_read_is_named(source: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        content_digest(source)  # type: ignore[arg-type]
