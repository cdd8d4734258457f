"""The labels of the pictures: rows of images and annotations, identities, queries.

A job's part file holds its rows with the labels of the plan. Which people were seen often enough to be identities is
known only when all jobs are done; merging then numbers those without gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from personsearch.synth.plan import Frame, Job
from personsearch.synth.sensor import Image, mean_luma

if TYPE_CHECKING:
    from personsearch.synth.frame import Drawn, DrawnPerson

Row = dict[str, Any]

#: A box counts from this visible fraction upwards; below, it is neither a target nor a false alarm.
GOOD_VISIBILITY = 0.35
#: Below this visible fraction, or below this size in pixels, a person gets no box at all.
MIN_VISIBILITY = 0.12
MIN_WIDTH, MIN_HEIGHT = 10, 36
#: In photographed places people may be as close as they like, and the picture's edge cuts many of them. Somebody cut by
#: the edge counts from this share inside the picture upwards, if enough of that share is visible; nobody goes without
#: a box, however little shows. Smaller boxes than these are neither targets nor false alarms.
MIN_INSIDE = 0.15
MIN_PLATE_WIDTH, MIN_PLATE_HEIGHT = 8, 28
#: A query must be clearer than that, and at least this share of its picture's height tall: 100 of 640 pixels.
QUERY_VISIBILITY = 0.7
QUERY_HEIGHT = 100 / 640
QUERIES_PER_PERSON = 2

COCO_KEYPOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
    *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee"),
    *("left_ankle", "right_ankle"),
)

_QUERY_KEY = 73


def image_row(job: Job, frame: Frame, file_name: str, image: Image, light: str) -> Row:
    """Return the row of one picture, without annotations.

    Args:
        job: the job that the frame belongs to.
        frame: the frame as planned.
        file_name: path relative to the set's folder.
        image: (H, W, 3) uint8 RGB as stored, after the sensor.
        light: name of the session's light.
    """
    height, width = image.shape[:2]
    row = {
        "file_name": file_name,
        "width": width,
        "height": height,
        "scene": job.scene,
        "camera": frame.camera.name,
        "time": round(frame.time, 2),
        "light": light,
        "random_background": frame.random_background,
        "luma": round(mean_luma(image), 3),
    }
    if frame.backdrop is not None:
        row["photo"] = frame.backdrop.photo
    return row


def annotation_rows(frame: Frame, drawn: Drawn, *, keypoints: bool = False) -> list[Row]:
    """Return one row for each person of a picture who is large and visible enough to have a box.

    ``label`` and ``seed`` come from the plan; merging turns the label into ``person_id``. ``mask_value`` is the
    person's value in the id mask.
    """
    height, width = drawn.image.shape[:2]
    rows = []
    for person in drawn.people:
        bbox = _clipped(person.box, width, height)
        if person.visible_box is None or min(bbox[2:]) < 1:
            continue
        too_small = bbox[2] < MIN_WIDTH or bbox[3] < MIN_HEIGHT
        if frame.backdrop is None and (too_small or person.visibility < MIN_VISIBILITY):
            continue
        appearance = frame.appearances[person.appearance]
        row: Row = {
            "label": appearance.label,
            "seed": appearance.seed,
            "outfit": appearance.outfit,
            "bbox": bbox,
            "visible_box": _clipped(person.visible_box, width, height),
            "visibility": round(float(person.visibility), 3),
            "truncated": bool(person.truncated),
            "foot": [round(float(value), 1) for value in person.foot],
            "mask_value": person.appearance + 1,
        }
        if frame.backdrop is not None:
            row["inside"] = round(float(person.inside), 3)
        if keypoints:
            row["keypoints"] = _flat(person)
        rows.append(row)
    return rows


def merge(split: str, images: Iterable[Row], *, keypoints: bool = False, min_cameras: int = 1) -> Row:
    """Return a split's COCO-style table.

    Args:
        split: train or test.
        images: image rows, each with its ``annotations``, in their final order.
        keypoints: whether the annotations have keypoints.
        min_cameras: how many cameras must see a person well for the person to be an identity; at least two good boxes
            are needed as well. Other people stay without a label.
    """
    images = list(images)
    numbers = _identities(images, min_cameras)
    seeds = {row["label"]: row["seed"] for image in images for row in image["annotations"]}
    image_rows: list[Row] = []
    annotations: list[Row] = []
    for image in images:
        image_id = len(image_rows) + 1
        image_rows.append({"id": image_id, **{key: value for key, value in image.items() if key != "annotations"}})
        for row in image["annotations"]:
            ignore = not counts_as_target(row)
            person = -1 if ignore else numbers.get(row["label"], -1)
            annotations.append(_annotation(row, len(annotations) + 1, image_id, person, ignore))
    category: Row = {"id": 1, "name": "person"}
    if keypoints:
        category["keypoints"] = list(COCO_KEYPOINTS)
    return {
        "info": {"description": f"{split}: rendered person-search scenes; nobody in them is real", "version": "1"},
        "images": image_rows,
        "annotations": annotations,
        "categories": [category],
        "identities": [{"person_id": number, "seed": seeds[label]} for label, number in numbers.items()],
    }


def choose_queries(table: Row, seed: int) -> list[Row]:
    """Return the queries of a split's table, at most two per person.

    Each query is a clear box; a person's two queries come from different cameras, and each has a match in another
    camera.
    """
    images = {row["id"]: row for row in table["images"]}
    boxes: dict[int, list[Row]] = {}
    for row in table["annotations"]:
        if row["person_id"] >= 0:
            boxes.setdefault(row["person_id"], []).append(row)
    queries = []
    for person, rows in boxes.items():
        cameras = {images[row["image_id"]]["camera"] for row in rows}
        if len(cameras) < 2:
            continue
        clear = [row for row in rows if _is_clear(row, images[row["image_id"]])]
        taken: set[str] = set()
        for index in np.random.default_rng([_QUERY_KEY, seed, person]).permutation(len(clear)):
            row = clear[index]
            camera = images[row["image_id"]]["camera"]
            if camera not in taken and len(taken) < QUERIES_PER_PERSON:
                taken.add(camera)
                queries.append({"image_id": row["image_id"], "annotation_id": row["id"], "person_id": person})
    return sorted(queries, key=lambda query: int(query["annotation_id"]))


def _identities(images: Sequence[Row], min_cameras: int) -> dict[int, int]:
    """Number the labels that are seen well at least twice and by enough cameras: 0, 1, and so on."""
    cameras: dict[int, list[str]] = {}
    for image in images:
        for row in image["annotations"]:
            if row["label"] >= 0 and counts_as_target(row):
                cameras.setdefault(row["label"], []).append(image["camera"])
    labels = sorted(label for label, seen in cameras.items() if len(seen) >= 2 and len(set(seen)) >= min_cameras)
    return {label: number for number, label in enumerate(labels)}


def _annotation(row: Row, number: int, image_id: int, person: int, ignore: bool) -> Row:
    kept = {key: value for key, value in row.items() if key not in ("label", "seed")}
    if "keypoints" in kept:
        kept["num_keypoints"] = sum(flag > 0 for flag in kept["keypoints"][2::3])
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "area": round(row["bbox"][2] * row["bbox"][3], 1),
        "person_id": person,
        "ignore": ignore,
        **kept,
    }


def counts_as_target(row: Row) -> bool:
    """Return whether a person, a row of :func:`annotation_rows`, shows enough to be a target; else it is ignored."""
    if "inside" not in row:
        return bool(row["visibility"] >= GOOD_VISIBILITY)
    _, _, width, height = row["bbox"]
    large = width >= MIN_PLATE_WIDTH and height >= MIN_PLATE_HEIGHT
    return bool(large and row["inside"] >= MIN_INSIDE and row["visibility"] >= GOOD_VISIBILITY * row["inside"])


def _is_clear(row: Row, image: Row) -> bool:
    return bool(row["visibility"] >= QUERY_VISIBILITY and row["bbox"][3] >= QUERY_HEIGHT * image["height"])


def _clipped(corners: Sequence[float] | np.ndarray[Any, Any], width: int, height: int) -> list[float]:
    """Clip a box x1, y1, x2, y2 to the picture and return x, y, w, h, rounded to a tenth of a pixel."""
    x1, x2 = (round(min(max(float(value), 0), width), 1) for value in (corners[0], corners[2]))
    y1, y2 = (round(min(max(float(value), 0), height), 1) for value in (corners[1], corners[3]))
    return [x1, y1, round(x2 - x1, 1), round(y2 - y1, 1)]


def _flat(person: DrawnPerson) -> list[float]:
    """Return COCO's flat list x, y, v ...; a point outside the picture (v = 0) is written as 0, 0, 0."""
    flat: list[float] = []
    for x, y, v in person.keypoints:
        flat += [round(float(x), 1), round(float(y), 1), int(v)] if v > 0 else [0, 0, 0]
    return flat
