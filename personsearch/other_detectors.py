"""Pictures whose boxes come from elsewhere: asked for one by one, in order, in the caller's thread, and embedded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from personsearch.errors import ImageError
from personsearch.given import BoxSource, Detector, Found
from personsearch.results import Detections, Floats
from personsearch.runner import Ready, Runner, Settings


def boxes_of_list(boxes: Found | Detector, count: int) -> BoxSource:
    """Return the boxes of a list of pictures: a detector, or a list of what was found in each.

    Raises:
        ImageError: they are neither, or as many as there are pictures.
    """
    if callable(boxes):
        return BoxSource(boxes)
    if not isinstance(boxes, (list, tuple)) or len(boxes) != count:
        got = f"{len(boxes)}" if isinstance(boxes, (list, tuple)) else f"a {type(boxes).__name__}"
        raise ImageError(
            f"boxes of a list of {count} images must be a list of {count}, one for each, or a function of a picture; "
            f"got {got}"
        )
    return BoxSource(dict(enumerate(boxes)))


def boxes_of_one(boxes: Found | Detector) -> BoxSource:
    """Return the boxes of one picture: a detector, or what was found in it."""
    return BoxSource(boxes if callable(boxes) else {0: boxes})


def detect_given(
    runner: Runner, prepared: Iterable[Ready], source: BoxSource, settings: Settings, *, numbered: bool = True
) -> Iterator[Detections]:
    """Yield the people of each image whose boxes come from elsewhere, by falling score, in the order of the input.

    Args:
        runner: of the network.
        prepared: from ``Runner.ready``, with their pixels if the source wants them; it is asked with their numbers.
        source: of the boxes.
        settings: threshold and most people count for the given scores; None = everybody.
        numbered: name pictures by their position in messages, too.

    Raises:
        ImageError: a picture's boxes cannot be used; the message names it.
    """

    def asked() -> Iterator[tuple[None, Ready, Floats, Floats]]:
        for number, ready in enumerate(prepared):
            name = ready.image_id or "the picture"
            name = f"image {number}: {name}" if numbered else name
            people = source.people(number, name, ready.pixels)
            size = ready.canvas.image_size
            boxes, scores = people.inside(size, name, threshold=settings.threshold, max_people=settings.max_people)
            yield None, replace(ready, pixels=None), boxes, scores
        source.classes.log()

    return (detections for _, detections in runner.embed_given_tagged(asked(), settings))
