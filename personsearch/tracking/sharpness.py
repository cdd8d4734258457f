"""How sharp a person is in a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.results import Floats


def sharpness_of(picture: NDArray[np.uint8], boxes: NDArray[Any]) -> Floats:
    """Return (N,) float32, at least 0: how abruptly brightness changes inside boxes, in grey levels.

    It is the root mean square of the Laplacian. It compares pictures of one person with each other, not people, as
    clothes differ.

    Args:
        picture: (H, W, 3) uint8 RGB.
        boxes: (N, 4) xyxy pixels of the picture; what reaches beyond it is cut off.
    """
    height, width = picture.shape[:2]
    found = np.zeros(len(boxes), dtype=np.float32)
    for number, (x1, y1, x2, y2) in enumerate(np.asarray(boxes, dtype=np.float64)):
        left, top = max(0, int(x1)), max(0, int(y1))
        crop = picture[top : min(height, int(np.ceil(y2))), left : min(width, int(np.ceil(x2)))]
        if crop.shape[0] < 3 or crop.shape[1] < 3:
            continue
        grey = crop.astype(np.float32).mean(axis=2)
        around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
        found[number] = np.sqrt(np.mean((around - 4 * grey[1:-1, 1:-1]) ** 2))
    return found
