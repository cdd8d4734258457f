"""Crops of single persons, 256x128: what STL step 1 and other Re-ID training read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from personsearch.durable import write_durably
from personsearch.synth.making import make
from personsearch.synth.recipe import Recipe
from personsearch.synth.sensor import encode_jpeg

SIZE = (128, 256)  # width and height
LEAST_VISIBILITY = 0.5
COMPLETE = "crops.json"
_SCENES = ".scenes"


def make_crops(recipe: Recipe, out: str | Path, *, workers: int | None = None, progress: bool | None = None) -> Path:
    """Make crops of all labelled people who are at least half visible.

    They are cut out of whole frames, neighbours, occlusion, blur and noise included; the frames are drawn first and
    removed when the crops are there.

    Args:
        recipe: of the people, scenes and cameras.
        out: folder; a stopped run goes on where it was.
        workers: see :func:`personsearch.synth.making.make`.
        progress: likewise.

    Returns:
        The folder: ``train/00012_s3c1_0004.jpg`` (identity, camera, frame), ``test/...`` and ``crops.json``:
        ``{"crops": [{"file_name", "person_id", "camera", "scene"}, ...]}``. Identities of train and test are numbered
        each from 0 and share nobody.

    Raises:
        DatasetError, MissingExtraError, RenderError: see :func:`personsearch.synth.making.make`.
    """
    folder = Path(out)
    if (folder / COMPLETE).exists():
        return folder
    scenes = make(recipe, folder / _SCENES, workers=workers, progress=progress)
    rows: list[dict[str, Any]] = []
    for split in ("train", "test"):
        (folder / split).mkdir(exist_ok=True)
        rows.extend(_cut(scenes, folder, split))
    write_durably(folder / COMPLETE, json.dumps({"crops": rows}, separators=(",", ":")).encode())
    shutil.rmtree(scenes)
    return folder


def _cut(scenes: Path, folder: Path, split: str) -> list[dict[str, Any]]:
    table = json.loads((scenes / f"{split}.json").read_text(encoding="utf-8"))
    people: dict[int, list[dict[str, Any]]] = {}
    for row in table["annotations"]:
        if row["person_id"] >= 0 and row["visibility"] >= LEAST_VISIBILITY:
            people.setdefault(row["image_id"], []).append(row)
    rows = []
    for image in table["images"]:
        if image["id"] not in people:
            continue
        picture = cv2.cvtColor(np.asarray(cv2.imread(str(scenes / image["file_name"]))), cv2.COLOR_BGR2RGB)
        for person in people[image["id"]]:
            stem = Path(image["file_name"]).stem
            name = f"{split}/{person['person_id']:05d}_{stem}.jpg"
            crop = _crop(np.asarray(picture, np.uint8), person["bbox"])
            (folder / name).write_bytes(encode_jpeg(crop, quality=92))
            row = {"file_name": name, "person_id": person["person_id"]}
            rows.append({**row, "camera": image["camera"], "scene": image["scene"]})
    return rows


def _crop(picture: NDArray[np.uint8], bbox: list[float]) -> NDArray[np.uint8]:
    x, y, width, height = bbox
    x1, y1 = int(x), int(y)
    part = picture[y1 : max(y1 + 1, round(y + height)), x1 : max(x1 + 1, round(x + width))]
    return np.asarray(cv2.resize(part, SIZE, interpolation=cv2.INTER_AREA), np.uint8)
