"""Pictures of more than 256 levels (thermal cameras, depth, scans): their values as shades of grey."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import ImageError

#: Share of the pixels at each end of the values that may be lost in black or white. A person of so few pixels, 8 x 16
#: of a 960 x 640 picture, is too small to be found; a lamp of so few does not darken everybody else.
LEFT_OUT = 0.0002
#: Shades of 256 between the darkest and the brightest. A picture with fewer was never meant to be shown as it is.
FEWEST = 16
#: The shade of a picture that has one value only: darkness and dazzle are what networks take for people.
UNIFORM = 128


def to_shades(values: NDArray[Any], name: str) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Scale values linearly to 0..255, from their robust minimum to their robust maximum.

    Args:
        values: (H, W), whole or floating point, of any unit.
        name: of the picture, for the message.

    Returns:
        The (H, W) shades, and the values that became 0 and 255; what lies beyond them is clipped. A picture of one
        value is grey.

    Raises:
        ImageError: a value is not a number, or infinite.
    """
    if values.dtype.kind == "f":
        wrong = values.size - int(np.count_nonzero(np.isfinite(values)))
        if wrong:
            raise ImageError(
                f"{name}: {wrong} of {values.size} pixels {'is' if wrong == 1 else 'are'} NaN or infinite; replace "
                "them by a value, for example the lowest of the others"
            )
    low, high = robust_range(values)
    if low >= high:
        return np.full(values.shape, UNIFORM, np.uint8), (low, high)
    shades = (values.astype(np.float64) - low) * 255 / (high - low)
    return np.clip(shades, 0, 255).round().astype(np.uint8), (low, high)


def stretched(colours: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[float, float] | None]:
    """Scale the upper eight of 16 bits where fewer than :data:`FEWEST` of their values are used: 12 bits, for example.

    Args:
        colours: (H, W, 3).

    Returns:
        The scaled colours, and the 16-bit values that became 0 and 255; or the colours as they are, and None.
    """
    ends = [robust_range(colours[:, :, channel]) for channel in range(colours.shape[2])]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    if low >= high or high - low >= FEWEST:
        return colours, None
    scaled = np.clip((colours.astype(np.float32) - low) * (255 / (high - low)), 0, 255).round().astype(np.uint8)
    return scaled, (low * 256, high * 256 + 255)


def robust_range(values: NDArray[Any]) -> tuple[float, float]:
    """Return the least and the greatest value that more than a speck of the picture has.

    Single pixels and single lines that differ from their neighbours (dead pixels of a sensor) are left out first, by
    the median of three pixels in a row and then in a column; after that :data:`LEFT_OUT` at each end.

    Args:
        values: (H, W), finite.
    """
    calm = _median_of_three(_median_of_three(values, 1), 0).ravel()
    drop = int(calm.size * LEFT_OUT)
    ends = np.partition(calm, (drop, calm.size - 1 - drop))
    low, high = float(ends[drop]), float(ends[calm.size - 1 - drop])
    # On a ground of one value, whatever differs from it is what there is to see.
    return (low, high) if low < high else (float(calm.min()), float(calm.max()))


def _median_of_three(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Replace each value by the median of itself and its two neighbours along an axis; at an edge, the nearest two."""
    size = values.shape[axis]
    if size < 3:
        return values
    before = np.take(values, [2, *range(size - 1)], axis)
    after = np.take(values, [*range(1, size), size - 3], axis)
    middle: NDArray[Any] = np.maximum(np.minimum(before, after), np.minimum(np.maximum(before, after), values))
    return middle
