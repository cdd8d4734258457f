"""A set seen through somebody else's detector: its boxes, embedded by our network from the scene."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import check_size, require_images
from personsearch.errors import DatasetError, ImageError
from personsearch.evaluation.observations import Observations
from personsearch.given import BoxSource, DetectionsFile, Detector, Found, read_detections
from personsearch.measure.observe import LOWEST_SCORE, computed_on, embed_again
from personsearch.pictures.decode import image_size, load_image
from personsearch.plain import counted
from personsearch.progress import Progress
from personsearch.results import Detections

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher

logger = logging.getLogger(__name__)

#: A file of detections; image_id -> boxes, of every picture; or a function of a picture, (H, W, 3) uint8 RGB, that
#: returns them. ``personsearch.given.people.Found`` says what boxes may be.
Boxes: TypeAlias = str | os.PathLike[str] | Mapping[str, Found] | Detector
#: The same, a file being read.
Opened: TypeAlias = DetectionsFile | Mapping[Any, Found] | Detector


@dataclass(frozen=True, kw_only=True)
class Outside:
    """Where the detections of an evaluation come from, if not from the weights' own detector.

    Attributes:
        source: the file, or the name of the function.
        boxes: how many boxes there are in the set's pictures, from ``lowest_score`` on.
        pictures: how many of the set's pictures have one.
        lowest_score: boxes of lower score were left out, as the own detector's are.
        elsewhere: boxes of pictures that are not in the set, which were passed over.
    """

    source: str
    boxes: int
    pictures: int
    lowest_score: float
    elsewhere: int = 0

    def text(self) -> str:
        """Return a line."""
        passed_over = f"; {counted(self.elsewhere, 'box', 'boxes')} of pictures that are not in the set passed over"
        return (
            f"{self.source}, {counted(self.boxes, 'box', 'boxes')} in "
            f"{counted(self.pictures, 'picture')} from score {self.lowest_score:g} on"
            f"{passed_over if self.elsewhere else ''}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what results.json holds of it."""
        return asdict(self)


def source_name(boxes: Boxes) -> str:
    """Return what a source of boxes is called: its file's name, or that of the function."""
    if isinstance(boxes, (str, os.PathLike)):
        return Path(boxes).name
    if isinstance(boxes, Mapping):
        return "a mapping"
    return str(getattr(boxes, "__name__", type(boxes).__name__))


def open_boxes(boxes: Boxes, images: str | os.PathLike[str] | Mapping[Any, str] | None = None) -> Opened:
    """Read a file of detections; what is no file is returned as it is.

    Args:
        boxes: see :data:`Boxes`.
        images: what the file's numbers of pictures mean; see :func:`personsearch.given.read_detections`.

    Raises:
        ImageError: the file cannot be used; or images are given, and there is no file.
    """
    if isinstance(boxes, (str, os.PathLike)):
        return read_detections(boxes, images=images)
    if images is not None:
        raise ImageError("boxes_images says which pictures a file's numbers are, and boxes is no file; leave it out")
    return boxes


def numbers_pictures(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a list of results that gives pictures numbers, so that it needs an annotation file."""
    try:
        rows = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False  # which reading it will say in full
    return isinstance(rows, list) and any(isinstance(row, dict) and type(row.get("image_id")) is int for row in rows)


def require_overlap(opened: Opened, dataset: Dataset, source: str) -> None:
    """Refuse boxes of which none is in a picture of the set.

    Args:
        opened: from :func:`open_boxes`.
        dataset: the set.
        source: its name, for the message.

    Raises:
        DatasetError: gives a name of each.
    """
    if not isinstance(opened, Mapping) or not opened or not dataset.scenes:
        return
    if not any(scene.image_id in opened for scene in dataset.scenes):
        raise DatasetError(
            f"{source}: none of its {len(opened):,} pictures is in {dataset.name}; they have names like "
            f"{next(iter(opened))!r}, the set's are like {dataset.scenes[0].image_id!r}"
        )


def observe_outside(
    searcher: PersonSearcher,
    dataset: Dataset,
    opened: Opened,
    source: str,
    *,
    cache_dir: Path | None = None,
    progress: bool | None = None,
) -> tuple[Observations, Outside]:
    """Take somebody else's detections of every scene, and embed them, the annotated boxes and the queries.

    Boxes are clipped to their pictures, and those of a score below 0.05 are left out, as the searcher's own would be;
    each protocol's threshold applies to the scores as they are. Everything is known to be sound before the network
    runs.

    Args:
        searcher: embeds the boxes from the whole scene.
        dataset: its scenes' images must exist.
        opened: from :func:`open_boxes`; a function is called for every picture, in their order.
        source: its name.
        cache_dir: where embeddings are looked up and kept, by the boxes themselves; None = nowhere.
        progress: None = a bar on a terminal, True = always a bar, False = silence.

    Returns:
        What :func:`~personsearch.measure.observe.observe` would return, and where the detections come from.

    Raises:
        DatasetError: the set has no scenes; an image is missing or has another size than the annotations say; or a
            query's scene is not in the set.
        ImageError: boxes cannot be used; names the picture and the row.
    """
    require_images(dataset.scenes)
    boxes = BoxSource(opened)
    detections = {}
    with Progress(total=len(dataset.scenes), label=source, shown=progress) as bar:
        for scene in dataset.scenes:
            pixels = load_image(scene.path) if boxes.wants_pixels else None
            check_size(scene, *(image_size(scene.path) if pixels is None else (pixels.shape[1], pixels.shape[0])))
            people = boxes.people(scene.image_id, scene.image_id, pixels)
            size = (scene.height, scene.width)
            corners, scores = people.inside(size, f"{source}: {scene.image_id}", threshold=LOWEST_SCORE)
            detections[scene.image_id] = Detections(
                boxes=corners,
                scores=scores,
                embeddings=np.zeros((len(corners), 0), np.float32),
                image_size=size,
                image_id=scene.image_id,
            )
            bar.advance()
    boxes.classes.log()
    bare = Observations(weights=searcher.spec.fingerprint, detections=detections, boxes={}, embeddings={})
    row = embed_again(
        searcher,
        dataset,
        bare,
        searcher.embed_boxes,
        mark=f"scene {searcher.spec.fingerprint}",
        name=f"boxes of {source}",
        cache_dir=cache_dir,
        progress=progress,
    )
    return replace(row, computed_on=computed_on(searcher)), _outside(opened, detections, source)


def _outside(opened: Opened, detections: Mapping[str, Detections], source: str) -> Outside:
    elsewhere = 0
    if isinstance(opened, DetectionsFile):
        elsewhere = sum(len(people) for name, people in opened.items() if name not in detections)
    return Outside(
        source=source,
        boxes=sum(len(people) for people in detections.values()),
        pictures=sum(len(people) > 0 for people in detections.values()),
        lowest_score=LOWEST_SCORE,
        elsewhere=elsewhere,
    )
