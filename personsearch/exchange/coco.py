"""An export as COCO-style json: what ``load_dataset`` and ``train finetune`` read at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from personsearch.exchange.records import IMAGES, PERSON, ExportedScene


def coco_file(scenes: Sequence[ExportedScene], *, first_id: int = 1) -> dict[str, Any]:
    """Return scenes as the object of a COCO-style json file, with its pictures in the folder ``images`` beside it.

    Boxes come back from ``load_dataset`` to the last bit of float32.

    Args:
        scenes: of one split.
        first_id: of the images and annotations.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes, start=first_id):
        image: dict[str, Any] = {
            "id": number,
            "file_name": f"{IMAGES}/{scene.file_name}",
            "width": scene.width,
            "height": scene.height,
            "image_id": scene.image_id,
        }
        image.update({key: value for key in ("camera", "time") if (value := getattr(scene, key)) is not None})
        images.append(image)
        for person in scene.people:
            x1, y1, x2, y2 = person.box
            row: dict[str, Any] = {
                "id": first_id + len(annotations),
                "image_id": number,
                "category_id": 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
                "person_id": -1 if person.person_id is None else person.person_id,
                "score": person.score,
            }
            more = {"name": person.name, "track": person.track_id, "detection_id": person.detection_id}
            annotations.append(row | {key: value for key, value in more.items() if value is not None})
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": PERSON}]}


def as_json(value: object) -> bytes:
    """Return the content of a JSON file; names that are no Unicode are written as escapes."""
    return json.dumps(value, indent=1).encode() + b"\n"
