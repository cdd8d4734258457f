"""MOTChallenge folders: sequences of ``seqinfo.ini``, ``gt/gt.txt`` and a folder of frames.

Lines of gt.txt are ``frame, track id, x, y, width, height, flag, class, visibility``; frames count from 1. A box with
the flag 0 is ignored. Classes other than 1 (pedestrian) are left out; MOT15's ten columns have no class. Boxes wholly
outside the image are left out. The track id is the identity, and the sequence is the camera.
"""

from __future__ import annotations

import configparser
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.options import ReadOptions
from personsearch.datasets.formats.people import people_of
from personsearch.datasets.scene import Query, Scene
from personsearch.errors import DatasetError

CLASSES = {
    2: "person on vehicle",
    3: "car",
    4: "bicycle",
    5: "motorbike",
    6: "other vehicle",
    7: "static person",
    8: "distractor",
    9: "occluder",
    10: "occluder on the ground",
    11: "full occluder",
    12: "reflection",
    13: "crowd",
}

_PEDESTRIAN = 1
#: MOT17 has three copies of each video, one for each public detector.
_COPY = re.compile(r"(.+)-(DPM|FRCNN|SDP)$")
_COLUMNS = (7, 8, 9, 10)


@dataclass(frozen=True)
class _Sequence:
    """What seqinfo.ini says; ``folder`` is that of the sequence."""

    folder: Path
    name: str
    images: str
    suffix: str
    rate: float
    length: int
    size: tuple[int, int]


def is_mot(folder: Path) -> bool:
    """Whether a folder is a sequence or has sequences in it, perhaps below ``train`` or ``test``."""
    return any((below / "seqinfo.ini").is_file() for below in _candidates(folder))


def _candidates(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    children = sorted(child for child in folder.iterdir() if child.is_dir())
    splits = [child for child in children if child.name in ("train", "test")]
    return [folder, *children, *(below for split in splits for below in sorted(split.iterdir()))]


def load_mot(source: Path, split: str, options: ReadOptions, *, same_people: bool = False) -> Dataset:
    """Read a sequence, or all sequences of a folder.

    Args:
        source: folder of a sequence, of sequences, or of folders ``train`` and ``test`` with sequences.
        split: which of ``train`` and ``test`` to read where both are there.
        options: ``images`` must be None, because seqinfo.ini names the frames. ``queries`` is "first" (the default for
            "test"): everyone with an identity is searched for, by their first box in each sequence. No counts are
            published, so ``check_counts`` has no effect.
        same_people: a track id means the same person in all sequences; otherwise people of different sequences are
            different, and those of later sequences get higher numbers.

    Raises:
        DatasetError: a file or row cannot be used.
    """
    root, ledger = source, Ledger()
    if options.images is not None:
        raise DatasetError(f"{root}: seqinfo.ini says where the frames of a MOT folder are; leave images out")
    if options.queries not in (None, "first"):
        raise DatasetError(f"{root}: MOT folders have the protocol 'first' only, not {str(options.queries)!r}")
    folder = root / split if (root / split).is_dir() else root
    scenes: list[Scene] = []
    for sequence in _sequences(folder, ledger):
        taken = max((int(scene.identities.max(initial=-1)) for scene in scenes), default=-1)
        scenes += _scenes(sequence, 0 if same_people else taken + 1, ledger)
    accounting = ledger.close(scenes, skip_bad=options.skip_bad)
    name = root.resolve().name if folder == root else f"{root.resolve().name}-{split}"
    queries = first_queries(scenes) if split == "test" or options.queries is not None else ()
    return Dataset(name=f"mot/{name}", scenes=tuple(scenes), queries=queries, accounting=accounting)


def first_queries(scenes: Sequence[Scene]) -> tuple[Query, ...]:
    """Return a query for everyone who has an identity, by their first box in each camera."""
    seen: set[tuple[str | None, int]] = set()
    queries = []
    for scene in scenes:
        for box, identity in zip(scene.boxes, scene.identities.tolist(), strict=True):
            if identity >= 0 and (scene.camera, identity) not in seen:
                seen.add((scene.camera, identity))
                queries.append(Query(image_id=scene.image_id, box=box, identity=identity))
    return tuple(queries)


def _sequences(folder: Path, ledger: Ledger) -> list[_Sequence]:
    folders = [one for one in (folder, *sorted(folder.iterdir())) if (one / "seqinfo.ini").is_file()]
    if not folders:
        raise DatasetError(f"{folder}: is neither a sequence nor a folder of sequences: no seqinfo.ini in it or below")
    sequences: list[_Sequence] = []
    videos: set[str] = set()
    for one in folders:
        copy = _COPY.match(one.name)
        video = copy.group(1) if copy else one.name
        if video in videos:
            gt = one / "gt" / "gt.txt"
            count = len(_lines(gt)) if gt.is_file() else 0
            ledger.read(count)
            ledger.drop("another copy of a video (MOT17 has three of each)", count)
            continue
        videos.add(video)
        try:
            sequences.append(_info(one))
        except ProblemError as error:
            ledger.note(error.problem)
    return sequences


def _info(folder: Path) -> _Sequence:
    path = folder / "seqinfo.ini"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
        part = parser["Sequence"]
        info = _Sequence(
            folder=folder,
            name=part.get("name", folder.name),
            images=part.get("imDir", "img1"),
            suffix=part.get("imExt", ".jpg"),
            rate=float(part["frameRate"]),
            length=int(part["seqLength"]),
            size=(int(part["imWidth"]), int(part["imHeight"])),
        )
    except KeyError as error:
        raise ProblemError(path, f"has no {error.args[0]}") from None
    except (configparser.Error, ValueError) as error:
        raise ProblemError(path, " ".join(str(error).split())) from None
    if min(info.rate, info.length, *info.size) <= 0 or not np.isfinite(info.rate):
        raise ProblemError(path, "frameRate, seqLength, imWidth and imHeight must be above 0")
    return info


def _lines(path: Path) -> list[tuple[int, str]]:
    """Return number and text of the lines that are not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise ProblemError(
            path, f"cannot be read ({error.strerror}); MOTChallenge does not publish the labels of its test sequences"
        ) from None
    return [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _scenes(sequence: _Sequence, first_identity: int, ledger: Ledger) -> list[Scene]:
    file = sequence.folder / "gt" / "gt.txt"
    try:
        lines = _lines(file)
    except ProblemError as error:
        ledger.note(error.problem)
        return []
    ledger.read(len(lines))
    frames: dict[int, list[tuple[int, list[float]]]] = defaultdict(list)
    for number, line in lines:
        try:
            values = _values(line, sequence)
        except ValueError as error:
            ledger.bad_row(file, f"line {number}", str(error))
            continue
        kind = int(values[7]) if len(values) in (8, 9) else _PEDESTRIAN
        if kind == _PEDESTRIAN:
            frames[int(values[0])].append((number, values))
        else:
            ledger.drop(f"class {kind} ({CLASSES.get(kind, 'unknown')})")
    read = (
        _scene(sequence, frame, frames.get(frame, []), first_identity, ledger)
        for frame in range(1, sequence.length + 1)
    )
    return [scene for scene in read if scene is not None]


def _values(line: str, sequence: _Sequence) -> list[float]:
    words = line.rstrip().rstrip(",").split(",")
    if len(words) not in _COLUMNS:
        raise ValueError(f"expected {_COLUMNS[0]} to {_COLUMNS[-1]} numbers, got {len(words)}")
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise ValueError(f"expected numbers, got {line.strip()!r}") from None
    frame, track = values[:2]
    if not (frame.is_integer() and 1 <= frame <= sequence.length):
        raise ValueError(f"frame {words[0]} is not in 1..{sequence.length} of seqinfo.ini")
    if not (track.is_integer() and track >= 0):
        raise ValueError(f"track id {words[1]} must be a whole number, 0 or more")
    if not np.isfinite(values[6:]).all():
        raise ValueError("flag, class and visibility must be finite numbers")
    return values


def _scene(
    sequence: _Sequence, frame: int, rows: Sequence[tuple[int, list[float]]], first_identity: int, ledger: Ledger
) -> Scene | None:
    name = f"{sequence.images}/{frame:06d}{sequence.suffix}"
    path = sequence.folder / name
    if not path.is_file():
        ledger.drop("image cannot be used", len(rows))
        ledger.bad_file(path, "no such image")
        return None
    values: NDArray[np.float64] = np.array([row[1][:7] for row in rows], dtype=np.float64).reshape(-1, 7)
    # Boxes cover whole people, so the box of somebody who has just left may lie outside the image.
    outside = (values[:, 4:6] > 0).all(axis=1) & (
        (values[:, 2:4] + values[:, 4:6] <= 0) | (values[:, 2:4] >= sequence.size)
    ).any(axis=1)
    ledger.drop("wholly outside the image", int(outside.sum()))
    inside = np.flatnonzero(~outside)
    rows, values = [rows[number] for number in inside.tolist()], values[inside]
    boxes, identities, ignore = people_of(
        ledger,
        sequence.folder / "gt" / "gt.txt",
        lambda row: f"line {rows[row][0]}",
        values[:, 2:6],
        values[:, 1].astype(np.int64) + first_identity,
        values[:, 6] == 0,
        sequence.size,
    )
    return Scene(
        image_id=f"{sequence.name}/{name}",
        path=path,
        width=sequence.size[0],
        height=sequence.size[1],
        camera=sequence.name,
        time=(frame - 1) / sequence.rate,
        place=sequence.name,
        boxes=boxes,
        identities=identities,
        ignore=ignore,
    )
