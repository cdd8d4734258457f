"""Annotated scenes, detections and sets made of a few numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from personsearch import Detections
from personsearch.datasets import Accounting, Dataset, GalleryList, Query, Scene

A, B = [0.0, 0, 20, 40], [50.0, 0, 70, 40]
LOOK = np.array([[1.0, 0.0]], np.float32)


def scene(
    name: str,
    boxes: list[list[float]],
    identities: list[int] | None = None,
    ignore: list[bool] | None = None,
    camera: str | None = None,
) -> Scene:
    """Return a 100x100 scene; by default nobody has a label and every box counts."""
    n = len(boxes)
    return Scene(
        image_id=name,
        path=Path(name),
        width=100,
        height=100,
        camera=camera,
        time=None,
        place=None,
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        identities=np.full(n, -1) if identities is None else np.array(identities, np.int64),
        ignore=np.zeros(n, bool) if ignore is None else np.array(ignore),
    )


def as_read(one: Scene) -> Scene:
    """Return a scene as the readers of data sets give it: second boxes of an identity have no label, and are noted."""
    first = {identity: row for row, identity in reversed(list(enumerate(one.identities.tolist())))}
    again = [(row, label) for row, label in enumerate(one.identities.tolist()) if label >= 0 and first[label] != row]
    identities = one.identities.copy()
    identities[[row for row, _ in again]] = -1
    return replace(one, identities=identities, repeated=tuple(again))


def shows(name: str, identities: list[int], camera: str | None = None) -> Scene:
    """Return a scene with the first person at A and the second at B."""
    return scene(name, [A, B][: len(identities)], identities, camera=camera)


def detected(
    similarities: list[float], boxes: list[list[float]] | None = None, scores: list[float] | None = None
) -> Detections:
    """Detections, by default at A and B, whose dot product with LOOK is as given."""
    cos = np.array(similarities, np.float32)
    return Detections(
        boxes=np.array(boxes or [A, B][: len(cos)], np.float32).reshape(-1, 4),
        scores=np.full(len(cos), 0.9, np.float32) if scores is None else np.array(scores, np.float32),
        embeddings=np.stack([cos, np.sqrt(1 - cos**2)], axis=1),
        image_size=(100, 100),
    )


def query(identity: int = 1, image_id: str = "q", gallery: GalleryList | None = None) -> Query:
    """Return a query for the person at A."""
    return Query(image_id=image_id, box=np.array(A, np.float32), identity=identity, gallery=gallery)


def listing(*entries: tuple[str, list[float] | None]) -> GalleryList:
    """Return a gallery list of (image, where the person is)."""
    boxes = [[np.nan] * 4 if box is None else box for _, box in entries]
    return GalleryList(image_ids=tuple(name for name, _ in entries), boxes=np.array(boxes, np.float32).reshape(-1, 4))


def dataset(scenes: Sequence[Scene], *queries: Query) -> Dataset:
    """Return a set; its rows are not accounted for."""
    return Dataset(name="toy", scenes=tuple(scenes), queries=queries, accounting=Accounting(rows=0, kept=0))
