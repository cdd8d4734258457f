"""What watching needs of a searcher, and the frames of several cameras through it together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from personsearch.calibration import Calibration
from personsearch.errors import ImageError
from personsearch.results import Detections, QueryPerson, Spec

logger = logging.getLogger(__name__)


class Searcher(Protocol):
    """A ``PersonSearcher``, or whatever detects and embeds like one."""

    @property
    def spec(self) -> Spec:
        """Of the weights whose embeddings it makes."""

    @property
    def calibration(self) -> Calibration | None:
        """What their similarities mean, if that is known."""

    def detect(self, images: Any, *, batch_size: int, progress: bool | None) -> Any:
        """Return the ``Detections`` of each of a list of pictures (H, W, 3) uint8 RGB."""

    def find_query(self, image: Any) -> QueryPerson:
        """Return the person on a picture of somebody who is looked for."""


def seen_in(searcher: Searcher, pictures: Sequence[NDArray[np.uint8]]) -> list[Detections | None]:
    """Return who is in each picture; None for a picture that cannot be used, while the others are.

    Pictures of one canvas size go through the network together.

    Args:
        searcher: detects them.
        pictures: (H, W, 3) uint8 RGB each.
    """
    try:
        return list(searcher.detect(list(pictures), batch_size=max(1, len(pictures)), progress=False))
    except ImageError as error:
        if len(pictures) == 1:
            logger.debug("a frame cannot be used: %s", error)
            return [None]
    return [found for picture in pictures for found in seen_in(searcher, [picture])]
