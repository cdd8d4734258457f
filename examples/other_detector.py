"""Somebody else's detector in front of our embedding: torchvision's Faster R-CNN finds people, personsearch tells who.

    python examples/other_detector.py          # downloads torchvision's weights once, 74 MB
    python examples/other_detector.py own      # without: our own detector stands in, as any function may

Any function of a picture will do in its place; docs/other-detectors.md has ultralytics, rf-detr and files of results.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torchvision.models.detection import FasterRCNN_MobileNet_V3_Large_FPN_Weights, fasterrcnn_mobilenet_v3_large_fpn

from personsearch import Gallery, PersonSearcher
from personsearch.demo import demo_scenes


def detector_of(network: torch.nn.Module, threshold: float = 0.5) -> Callable[[np.ndarray], Any]:
    """Return a function of a picture, (H, W, 3) uint8 RGB, from a detector of torchvision's."""

    def detect(pixels: np.ndarray) -> dict[str, torch.Tensor]:
        with torch.inference_mode():
            [found] = network([torch.from_numpy(pixels).permute(2, 0, 1) / 255])
        people = (found["labels"] == 1) & (found["scores"] >= threshold)  # of COCO's categories, 1 is a person
        return {name: values[people] for name, values in found.items()}

    return detect


def main() -> None:
    """Index the bundled scenes with the detector's boxes, and search for somebody in them."""
    searcher = PersonSearcher.from_pretrained()
    if sys.argv[1:] == ["own"]:
        detector: Callable[[np.ndarray], Any] = searcher.detect
    else:
        weights = FasterRCNN_MobileNet_V3_Large_FPN_Weights.DEFAULT
        detector = detector_of(fasterrcnn_mobilenet_v3_large_fpn(weights=weights).eval())
    scenes, queries = demo_scenes()
    with Gallery.open("other-gallery", searcher.spec) as gallery:
        report = searcher.index({scene.image_id: scene.path for scene in scenes}, gallery, boxes=detector)
        print(f"{report.added} scenes, {report.people} people")
        query = queries[0]
        [image] = [scene.path for scene in scenes if scene.image_id == query.image_id]
        for match in searcher.search(gallery, image, query.box.tolist(), k=5, exclude_images=[query.image_id]):
            print(f"{match.image_id}  similarity {match.similarity:.2f}  score {match.score:.2f}")


if __name__ == "__main__":
    main()
