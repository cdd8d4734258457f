"""See synth-mini's test split through other cameras: darker, tinted, softer, noisier; for docs/fine-tuning.md.

    python tools/other_sensors.py ../shared/data/synth-mini runs/other-cameras

Writes ``train.json`` (the scenes of place s7) and ``test.json`` with ``queries.json`` (places s8 and s11, and people in
them that s7 never shows). Annotations stay as they are: every sensor keeps the geometry.
"""

from __future__ import annotations

import argparse
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

TRAIN_PLACE = "s7"
QUERIES_PER_PERSON = 3


def through_a_sensor(image: Image.Image, camera: str) -> Image.Image:
    """Return what a dim, tinted, soft and noisy camera makes of a scene; each camera has its own faults."""
    own = np.random.default_rng(zlib.crc32(camera.encode()))
    tint = own.uniform([0.85, 0.75, 0.45], [1.15, 1.0, 0.8])  # sodium lamps: little blue
    gain, gamma, blur = own.uniform(0.35, 0.6), own.uniform(1.0, 1.4), own.uniform(0.8, 1.6)
    noise = own.uniform(6, 14)
    width, height = image.size
    small = image.resize((round(width * 0.6), round(height * 0.6)), Image.Resampling.BOX)  # a cheaper sensor
    soft = small.resize((width, height), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(blur))
    values = (np.asarray(soft, dtype=np.float32) / 255) ** gamma * gain * tint * 255
    grain = np.random.default_rng(zlib.crc32(np.asarray(image).tobytes())).normal(0, noise, values.shape)
    return Image.fromarray((values + grain).clip(0, 255).astype(np.uint8))


def main() -> None:
    """Write the set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("synth_mini", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    data = json.loads((options.synth_mini / "test.json").read_text(encoding="utf-8"))
    for row in data["images"]:
        target = options.out / row["file_name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(options.synth_mini / row["file_name"]) as image:
            through_a_sensor(image.convert("RGB"), row["camera"]).save(target, quality=60)
    train = _part(data, lambda row: row["scene"] == TRAIN_PLACE)
    test = _part(data, lambda row: row["scene"] != TRAIN_PLACE)
    known = {one.get("person_id", -1) for one in train["annotations"]}
    seen: dict[int, list[int]] = {}
    for one in test["annotations"]:
        if one.get("person_id", -1) >= 0 and one["person_id"] not in known and not one.get("ignore"):
            seen.setdefault(one["person_id"], []).append(one["id"])
    rng = np.random.default_rng(0)
    chosen = [
        int(one) for ids in seen.values() if len(ids) > 5 for one in rng.choice(ids, QUERIES_PER_PERSON, replace=False)
    ]
    for name, content in {
        "train.json": train,
        "test.json": test,
        "queries.json": {"queries": [{"annotation_id": one} for one in sorted(chosen)]},
    }.items():
        (options.out / name).write_text(json.dumps(content), encoding="utf-8")
    print(f"{len(train['images'])} scenes to train on, {len(test['images'])} to test on, {len(chosen)} queries")


def _part(data: dict[str, Any], wanted: Any) -> dict[str, Any]:
    images = [row for row in data["images"] if wanted(row)]
    ids = {row["id"] for row in images}
    annotations = [one for one in data["annotations"] if one["image_id"] in ids]
    return {**data, "images": images, "annotations": annotations}


if __name__ == "__main__":
    main()
