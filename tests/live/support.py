"""What tests of watching share: a searcher that sees a script, and hand-made tracks and pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from personsearch.calibration import Calibration
from personsearch.errors import ImageError
from personsearch.results import Detections, QueryPerson, Spec
from tests.tracking.walks import DIM, looks
from tests.tracking.walks import frame as walk

#: person -> x and y of the middle of the box.
Scene = dict[int, tuple[float, float]]


def marked(number: int) -> np.ndarray:
    """Return a small picture that carries a number."""
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[0, 0] = number & 255, number >> 8 & 255, number >> 16 & 255
    return picture


def number_of(picture: np.ndarray) -> int:
    """Return the number that a picture carries."""
    red, green, blue = (int(value) for value in picture[0, 0])
    return red | green << 8 | blue << 16


@dataclass
class Scripted:
    """A searcher whose pictures carry a number; a script says who is in the picture of each number."""

    script: Callable[[int], Scene]
    calibration: Calibration | None = None
    spec: Spec = field(default_factory=lambda: Spec(name="toy", fingerprint="f" * 64, embedding_size=DIM))
    batches: list[int] = field(default_factory=list)

    def detect(self, images: Sequence[np.ndarray], *, batch_size: int, progress: bool | None) -> list[Detections]:
        assert len(images) <= batch_size
        assert progress is False
        self.batches.append(len(images))
        if any(image.size == 0 for image in images):
            raise ImageError("empty")
        return [walk(number_of(image) / 4, self.script(number_of(image))).detections for image in images]

    def find_query(self, image: Any) -> QueryPerson:
        """Return the person whose number is the picture's name."""
        person = int(str(image).rpartition("/")[2].partition(".")[0])
        return QueryPerson(box=(0, 0, 1, 1), embedding=looks(person).astype(np.float32), score=0.9)


def footage(count: int, fps: float = 4.0, start: float = 0.0) -> Iterator[tuple[float, np.ndarray]]:
    """Yield frames that carry their numbers."""
    for number in range(count):
        yield start + number / fps, marked(number)
