"""What tests of several rooms share: drawn toy scenes, a toy set, a toy video, and a tiny network's configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from PIL import Image, ImageDraw

SHARED = Path(__file__).parents[2] / "shared" / "data"

TINY: dict[str, Any] = {
    "name": "tiny",
    "backbone": "resnet18_ibn_a",
    "input": {"min_size": 96, "max_size": 160},
    "detector": {
        "head_width": 16,
        "rpn_pre_nms_train": 100,
        "rpn_pre_nms_test": 100,
        "rpn_post_nms_train": 40,
        "rpn_post_nms_test": 20,
        "score_threshold": 0.0,
        "max_people": 5,
    },
    "reid": {"roi_size": (8, 4)},
}

SHIRTS = [(200, 40, 40), (40, 160, 60), (50, 80, 210), (220, 180, 40), (150, 60, 170), (240, 240, 240)]


def toy_scene(people: list[tuple[int, int, int]], width: int = 160, height: int = 96, seed: int = 0) -> Image.Image:
    """Draw a noisy scene with stick people: (identity, left, top), each 20x60 pixels."""
    noise = np.random.default_rng(seed).integers(90, 150, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    pen = ImageDraw.Draw(image)
    for identity, left, top in people:
        pen.ellipse((left + 5, top, left + 15, top + 12), fill=(220, 180, 150))
        pen.rectangle((left, top + 12, left + 20, top + 36), fill=SHIRTS[identity % len(SHIRTS)])
        pen.rectangle((left + 2, top + 36, left + 18, top + 60), fill=SHIRTS[(identity // 2 + 3) % len(SHIRTS)])
    return image


def toy_set(folder: Path, num_scenes: int = 8, num_identities: int = 4, place_every: int = 0) -> Path:
    """Write a COCO-style set of toy scenes; returns the json file.

    Every scene shows two labelled people and one without a label; with ``place_every`` the last scenes of each so many
    belong to the place ``b``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    rng = np.random.default_rng(5)
    for number in range(num_scenes):
        identities = [number % num_identities, (number + 1) % num_identities, -1]
        spots = [(x, int(rng.integers(4, 30))) for x in (10, 60, 115)]
        name = f"{number:03d}.png"
        people = [(5 if i < 0 else i, x, y) for i, (x, y) in zip(identities, spots, strict=True)]
        toy_scene(people, seed=number).save(folder / name)
        place = "b" if place_every and number % place_every == place_every - 1 else "a"
        images.append(
            {
                "id": number + 1,
                "file_name": name,
                "width": 160,
                "height": 96,
                "camera": f"c{number % 2}",
                "time": float(number),
                "scene": place,
            }
        )
        for identity, (x, y) in zip(identities, spots, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number + 1,
                    "bbox": [x, y, 20, 60],
                    "person_id": identity,
                    "ignore": False,
                }
            )
    path = folder / "train.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def video(path: Path, frames: int = 20, fps: int = 10) -> Path:
    """Write a video whose frame n has the grey value 10 n."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            grey = np.full((48, 64, 3), 10 * number % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return path


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Done]
