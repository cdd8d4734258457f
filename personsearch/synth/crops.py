"""Crops of single people, 256x128: the input of step 1 of STL and of other Re-ID training."""

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

#: Width and height, pixels.
SIZE = (128, 256)
#: Visible fraction from which a person is cut out.
MIN_VISIBILITY = 0.5
COMPLETE = "crops.json"
_SCENES = ".scenes"


def make_crops(recipe: Recipe, out: str | Path, *, workers: int | None = None, progress: bool | None = None) -> Path:
    """Make crops of all labelled people who are at least half visible.

    The crops are cut out of whole frames, so neighbours, occlusion, blur and noise are in them. The frames are drawn
    first and deleted once the crops are written.

    Args:
        recipe: describes the people, scenes and cameras.
        out: folder to write to; an interrupted run continues where it stopped.
        workers: number of worker processes; default: one per available core.
        progress: None = a bar on a terminal; True = a bar; False = nothing.

    Returns:
        The folder. It holds ``train/00012_s3c1_0004.jpg`` (identity, camera, frame) and so on, ``test/...`` and
        ``crops.json``: ``{"crops": [{"file_name", "person_id", "camera", "scene"}, ...]}``. Identities are numbered
        from 0 in train and in test; nobody is in both.

    Raises:
        DatasetError, MissingExtraError, RenderError: see :func:`personsearch.synth.make`.
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
        if row["person_id"] >= 0 and row["visibility"] >= MIN_VISIBILITY:
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
