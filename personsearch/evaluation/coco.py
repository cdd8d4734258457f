"""COCO's detection figures from faster-coco-eval: comparable with other detectors, but not with person search."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

from personsearch.datasets.scene import Scene
from personsearch.errors import DatasetError, MissingExtraError
from personsearch.results import Detections

_NAMES = {
    "AP": "AP_all",
    "AP50": "AP_50",
    "AP75": "AP_75",
    "AP_small": "AP_small",
    "AP_medium": "AP_medium",
    "AP_large": "AP_large",
}


def coco_average_precision(detections: Mapping[str, Detections], scenes: Sequence[Scene]) -> dict[str, float]:
    """Measure detection as COCO does: AP over IoU 0.5..0.95 of at most 100 detections per image, whatever their score.

    Ignored boxes count as crowds: detections on them count neither way.

    Args:
        detections: by image_id; a scene without an entry has none.
        scenes: the annotated set.

    Returns:
        AP, AP50, AP75, AP_small, AP_medium, AP_large; NaN where no annotated person is of that size.

    Raises:
        MissingExtraError: faster-coco-eval is not installed.
        DatasetError: nobody is annotated.
    """
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError:
        raise MissingExtraError("COCO AP needs faster-coco-eval: pip install 'personsearch[evaluate]'") from None
    truth = _truth(scenes)
    if all(row["iscrowd"] for row in truth["annotations"]):
        raise DatasetError("nobody is annotated in these scenes, so detection cannot be measured; annotate people")
    # Older versions of the library refuse an empty list; a detection without area and score changes no figure.
    rows = _rows(detections, scenes) or [{"image_id": 0, "category_id": 1, "bbox": [0, 0, 0, 0], "score": 0.0}]
    with contextlib.redirect_stdout(io.StringIO()):
        annotated = COCO(truth)
        evaluation = COCOeval_faster(annotated, annotated.loadRes(rows), "bbox", print_function=lambda *_: None)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    figures = evaluation.stats_as_dict
    return {name: _figure(float(figures[key])) for name, key in _NAMES.items()}


def _truth(scenes: Sequence[Scene]) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes):
        for box, ignore in zip(scene.boxes.tolist(), scene.ignore.tolist(), strict=True):
            x, y, w, h = _xywh(box)
            row = {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "bbox": [x, y, w, h]}
            annotations.append(row | {"area": w * h, "iscrowd": int(ignore)})
    images = [{"id": number, "width": scene.width, "height": scene.height} for number, scene in enumerate(scenes)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}


def _rows(detections: Mapping[str, Detections], scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    rows = []
    for number, scene in enumerate(scenes):
        people = detections.get(scene.image_id)
        if people is not None:
            for box, score in zip(people.boxes.tolist(), people.scores.tolist(), strict=True):
                rows.append({"image_id": number, "category_id": 1, "bbox": _xywh(box), "score": score})
    return rows


def _xywh(box: list[float]) -> list[float]:
    x1, y1, x2, y2 = box
    return [x1, y1, x2 - x1, y2 - y1]


def _figure(value: float) -> float:
    """The library says -1 where nothing was counted."""
    return float("nan") if value < 0 else value
