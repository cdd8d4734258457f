"""How a finished set is laid out on disk: COCO-style files, and PRW's folders for tools that expect those.

Both layouts have ``train.json``, ``test.json`` and ``queries.json``. ``train.json`` is written last; a set that has it
is complete.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from personsearch.durable import write_durably
from personsearch.errors import ConfigError, MissingExtraError
from personsearch.synth.labels import Row
from personsearch.synth.plan import Job
from personsearch.synth.sensor import encode_jpeg

LAYOUTS = ("coco", "prw")
COMPLETE = "train.json"

#: PRW's id for people without a label.
_UNLABELLED = -2


def check_layout(layout: str) -> None:
    """Refuse a layout that cannot be written, before hours are spent on drawing.

    Raises:
        ConfigError: there is no such layout.
        MissingExtraError: the layout is ``prw`` and scipy is not installed.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"layout {layout!r} does not exist; choose one of {', '.join(LAYOUTS)}")
    if layout == "prw":
        try:
            import scipy.io  # noqa: F401
        except ImportError:
            raise MissingExtraError("PRW's .mat files need scipy: pip install 'personsearch[data]'") from None


def picture_names(jobs: Sequence[Job], layout: str) -> dict[str, str]:
    """Return the path of each picture, relative to the set's folder, by the frame's name.

    Paths are ``train/NAME.jpg`` and ``test/NAME.jpg``, or PRW's ``frames/cNsM_FFFFFF.jpg`` for camera N of the set,
    session (light) M and a running number. In PRW's layout the test cameras come first: most readers of PRW parse a
    single digit as the camera, and need it only for testing.
    """
    if layout == "coco":
        return {frame.name: f"{job.split}/{frame.name}.jpg" for job in jobs for frame in job.frames}
    cameras = list(dict.fromkeys(job.camera for job in sorted(jobs, key=lambda job: job.split != "test")))
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for job in jobs:
        for frame in job.frames:
            place = f"c{cameras.index(job.camera) + 1}s{frame.light + 1}"
            counts[place] = counts.get(place, 0) + 1
            names[frame.name] = f"frames/{place}_{counts[place]:06d}.jpg"
    return names


def write_tables(folder: Path, tables: dict[str, Row], queries: list[Row], layout: str) -> None:
    """Write a set's labels beside its pictures.

    Args:
        folder: the set's folder.
        tables: COCO-style tables of ``train`` and ``test``.
        queries: rows that point into ``test``.
        layout: one of ``LAYOUTS``.
    """
    if layout == "prw":
        _write_prw(folder, tables, queries)
    _write_json(folder / "queries.json", {"queries": queries})
    _write_json(folder / "test.json", tables["test"])
    _write_json(folder / COMPLETE, tables["train"])


def _write_json(path: Path, value: Row) -> None:
    write_durably(path, json.dumps(value, separators=(",", ":")).encode())


def _write_prw(folder: Path, tables: dict[str, Row], queries: list[Row]) -> None:
    """Write PRW's files; identities are numbered from 1, those of the test split after those of the training split."""
    for name in ("annotations", "query_box"):
        (folder / name).mkdir(exist_ok=True)
    first = {"train": 1, "test": 1 + len(tables["train"]["identities"])}
    for split, table in tables.items():
        frames = np.array([Path(row["file_name"]).stem for row in table["images"]], dtype=object).reshape(-1, 1)
        numbers = first[split] + np.arange(len(table["identities"]), dtype=np.int32)
        _write_mat(folder / f"frame_{split}.mat", f"img_index_{split}", frames)
        _write_mat(folder / f"ID_{split}.mat", "ID_train" if split == "train" else "ID_test2", numbers[None])
        people: dict[int, list[list[float]]] = {row["id"]: [] for row in table["images"]}
        for row in table["annotations"]:
            person = first[split] + row["person_id"] if row["person_id"] >= 0 else _UNLABELLED
            people[row["image_id"]].append([person, *row["bbox"]])
        for row in table["images"]:
            boxes = np.array(people[row["id"]], dtype=np.float64).reshape(-1, 5)
            _write_mat(folder / "annotations" / f"{Path(row['file_name']).name}.mat", "box_new", boxes)
    _write_prw_queries(folder, tables["test"], queries, first["test"])


def _write_prw_queries(folder: Path, table: Row, queries: list[Row], first: int) -> None:
    images = {row["id"]: row["file_name"] for row in table["images"]}
    boxes = {row["id"]: row["bbox"] for row in table["annotations"]}
    lines = []
    for query in queries:
        file_name, bbox = images[query["image_id"]], boxes[query["annotation_id"]]
        person, frame = first + query["person_id"], Path(file_name).stem
        lines.append(f"{person} {' '.join(map(str, bbox))} {frame}\r\n")
        crop = _crop(folder / file_name, bbox)
        write_durably(folder / "query_box" / f"{person}_{frame}.jpg", encode_jpeg(crop, quality=95))
    # Readers of PRW drop the last two characters of each line.
    write_durably(folder / "query_info.txt", "".join(lines).encode())


def _crop(path: Path, bbox: list[float]) -> NDArray[np.uint8]:
    picture = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)
    x, y, width, height = bbox
    part = picture[round(y) : round(y + height), round(x) : round(x + width)]
    return np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2RGB), np.uint8)


def _write_mat(path: Path, key: str, value: NDArray[Any]) -> None:
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, {key: value})
    # scipy writes the date into the 116 characters of free text in the header; the same set must have the same bytes.
    text = b"MATLAB 5.0 MAT-file, made by personsearch".ljust(116)
    write_durably(path, text + buffer.getvalue()[116:])
