"""Where the boxes of pictures come from instead of from our detector: what was found before, or a detector to ask."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import ImageError
from personsearch.given.classes import Classes
from personsearch.given.files import DetectionsFile
from personsearch.given.people import Found, GivenPeople, people_in

#: A function of a picture, (H, W, 3) uint8 RGB, upright and whole, that returns who is in it.
Detector: TypeAlias = Callable[[NDArray[np.uint8]], Found]

#: The key of a scene's ``extra`` that says that its boxes came from elsewhere: the sha256 of boxes and scores.
BOXES = "boxes"


class BoxSource:
    """Gives the people of one picture after another.

    A detector is asked in the caller's thread, for one picture at a time, in their order.

    Args:
        boxes: a detector; or picture -> what was found in it.

    Attributes:
        classes: which classes are people, and the account of the others.
        absent: how many pictures had no row in a list of results, so that nobody is in them.
    """

    def __init__(self, boxes: Detector | Mapping[Any, Found]) -> None:
        self.classes = Classes()
        self.absent = 0
        self._detector: Detector | None = None
        self._found: Mapping[Any, Found] = {}
        if isinstance(boxes, Mapping):
            self._found = boxes
        elif callable(boxes):
            self._detector = boxes
        else:
            raise ImageError(
                f"boxes must be a mapping image_id -> boxes or a function of a picture, got a {type(boxes).__name__}"
            )

    @property
    def wants_pixels(self) -> bool:
        """Whether there is a detector to be asked."""
        return self._detector is not None

    @property
    def pictures(self) -> tuple[Hashable, ...] | None:
        """The pictures that something is known of; None = any can be asked for."""
        return None if self.wants_pixels else tuple(self._found)

    def people(self, picture: Hashable, name: str, pixels: NDArray[np.uint8] | None = None) -> GivenPeople:
        """Return the people of a picture.

        Args:
            picture: its key in the mapping.
            name: for messages.
            pixels: for a detector.

        Raises:
            ImageError: no boxes are given for the picture, or they cannot be used.
            Exception: whatever the detector raises, with a note that names the picture.
        """
        if self._detector is None or pixels is None:
            people = self._known(picture, name, self.classes)
            self.absent += picture not in self._found
            return people
        try:
            found = self._detector(pixels)
        except Exception as error:
            error.add_note(f"raised by the detector that was given as boxes, for {name}")
            raise
        return people_in(found, name, self.classes)

    def digest(self, picture: Hashable) -> str | None:
        """Return the digest of a picture's people; None = it takes a detector, or nothing is known of the picture."""
        if self._detector is not None:
            return None
        try:
            return self._known(picture, "", Classes()).digest
        except ImageError:
            return None

    def _known(self, picture: Hashable, name: str, classes: Classes) -> GivenPeople:
        if isinstance(self._found, DetectionsFile):
            return self._found.of(str(picture))
        if picture not in self._found:
            raise ImageError(f"{name}: no boxes are given for this picture; where nobody is, give an empty list")
        return people_in(self._found[picture], name, classes)
