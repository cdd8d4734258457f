"""Show synth-mini's test split as other cameras would: darker, tinted, softer, noisier; for docs/fine-tuning.md.

    python tools/other_sensors.py SYNTH_MINI other-cameras

Writes ``train.json`` (the scenes of place s7) and ``test.json`` with ``queries.json`` (places s8 and s11, and people
there who never appear in s7). The boxes stay as they are, because the sensors do not change the geometry.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

TRAIN_PLACE = "s7"
QUERIES_PER_PERSON = 3


def through_a_sensor(image: Image.Image, camera: str) -> Image.Image:
    """Return a scene as a dim, tinted, soft and noisy camera sees it; every camera name has faults of its own."""
    faults = np.random.default_rng(zlib.crc32(camera.encode()))
    tint = faults.uniform([0.85, 0.75, 0.45], [1.15, 1.0, 0.8])  # sodium lamps: little blue
    gain, gamma, blur = faults.uniform(0.35, 0.6), faults.uniform(1.0, 1.4), faults.uniform(0.8, 1.6)
    noise = faults.uniform(6, 14)
    width, height = image.size
    small = image.resize((round(width * 0.6), round(height * 0.6)), Image.Resampling.BOX)  # a coarser sensor
    soft = small.resize((width, height), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(blur))
    values = (np.asarray(soft, dtype=np.float32) / 255) ** gamma * gain * tint * 255
    grain = np.random.default_rng(zlib.crc32(np.asarray(image).tobytes())).normal(0, noise, values.shape)
    return Image.fromarray((values + grain).clip(0, 255).astype(np.uint8))


def main() -> None:
    """Write the set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("synth_mini", type=Path, help="folder of the set, with test.json")
    parser.add_argument("out", type=Path, help="folder to write the other set to")
    options = parser.parse_args()
    data = json.loads((options.synth_mini / "test.json").read_text(encoding="utf-8"))
    for row in data["images"]:
        target = options.out / row["file_name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(options.synth_mini / row["file_name"]) as image:
            through_a_sensor(image.convert("RGB"), row["camera"]).save(target, quality=60)
    train = _images_where(data, lambda row: row["scene"] == TRAIN_PLACE)
    test = _images_where(data, lambda row: row["scene"] != TRAIN_PLACE)
    known = {row.get("person_id", -1) for row in train["annotations"]}
    boxes_of: dict[int, list[int]] = {}
    for row in test["annotations"]:
        if row.get("person_id", -1) >= 0 and row["person_id"] not in known and not row.get("ignore"):
            boxes_of.setdefault(row["person_id"], []).append(row["id"])
    rng = np.random.default_rng(0)
    queries = [
        int(box)
        for boxes in boxes_of.values()
        if len(boxes) > 5
        for box in rng.choice(boxes, QUERIES_PER_PERSON, replace=False)
    ]
    for name, content in {
        "train.json": train,
        "test.json": test,
        "queries.json": {"queries": [{"annotation_id": box} for box in sorted(queries)]},
    }.items():
        (options.out / name).write_text(json.dumps(content), encoding="utf-8")
    print(f"{len(train['images'])} scenes to train on, {len(test['images'])} to test on, {len(queries)} queries")


def _images_where(data: dict[str, Any], wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    images = [row for row in data["images"] if wanted(row)]
    ids = {row["id"] for row in images}
    annotations = [row for row in data["annotations"] if row["image_id"] in ids]
    return {**data, "images": images, "annotations": annotations}


if __name__ == "__main__":
    main()
