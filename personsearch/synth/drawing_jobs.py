"""What a worker process does: it turns all frames of one job into pictures and labels on disk.

A job's part file is written after its last picture; where it exists, the job's pictures are complete.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from personsearch.durable import write_durably
from personsearch.synth.labels import Row, annotation_rows, image_row
from personsearch.synth.photography import Painter, Photographer
from personsearch.synth.plan import Job
from personsearch.synth.sensor import encode_jpeg

if TYPE_CHECKING:
    from personsearch.synth.recipe import Recipe

PARTS = ".parts"

OpenPainter = Callable[[Job, "Recipe"], Painter]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What all jobs of a data set have in common; it must be picklable.

    Attributes:
        recipe: the recipe of the set.
        folder: the set's folder; the folders of the pictures already exist in it.
        names: path of each frame's picture below ``folder``, by the frame's name.
        keypoints: whether to write people's keypoints.
        masks: whether to write an id mask for each picture.
        open_painter: a module-level function that returns the painter of a job.
    """

    recipe: Recipe
    folder: Path
    names: dict[str, str]
    keypoints: bool
    masks: bool
    open_painter: OpenPainter


def job_name(job: Job) -> str:
    """Return the name of a job, unique in its set."""
    return f"{job.split}-{job.scene}-{job.camera}"


def part_path(folder: Path, job: Job) -> Path:
    """Return the path of the labels of a finished job."""
    return folder / PARTS / f"{job_name(job)}.json"


def mask_name(picture: str) -> str:
    """Return the path of the id mask that belongs to a picture."""
    return f"masks/{Path(picture).with_suffix('.png')}"


def draw_job(job: Job, order: Order, frame_done: Callable[[], None]) -> None:
    """Draw a job; write its pictures, then its part file.

    Args:
        job: what to draw.
        order: what all jobs of the set have in common.
        frame_done: called after each picture.
    """
    painter = order.open_painter(job, order.recipe)
    try:
        rows = _draw_frames(job, order, painter, frame_done)
    finally:
        painter.close()
    part = json.dumps({"job": job_name(job), "images": rows}, separators=(",", ":"))
    write_durably(part_path(order.folder, job), part.encode())


def _draw_frames(job: Job, order: Order, painter: Painter, frame_done: Callable[[], None]) -> list[Row]:
    photographer = Photographer(painter, job, order.recipe)
    rows = []
    for frame in job.frames:
        photograph = photographer.take(frame)
        name = order.names[frame.name]
        write_durably(order.folder / name, encode_jpeg(photograph.image))
        row = image_row(job, frame, name, photograph.image, painter.light_name(frame))
        if order.masks:
            row["mask"] = mask_name(name)
            mask = cv2.imencode(".png", photograph.drawn.owner)[1]
            write_durably(order.folder / row["mask"], mask.tobytes())
        row["annotations"] = annotation_rows(frame, photograph.drawn, keypoints=order.keypoints)
        rows.append(row)
        frame_done()
    return rows
