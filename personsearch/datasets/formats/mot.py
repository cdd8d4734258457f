"""MOTChallenge folders: sequences of ``gt/gt.txt``, a folder of frames and usually ``seqinfo.ini``.

Lines of gt.txt are ``frame, track id, x, y, width, height, flag, class, visibility``. A box with the flag 0 is
ignored. Boxes of other classes than people (``mot_classes``) and boxes wholly outside the image are left out. The track
id is the identity (-1 = a person without a label), and the sequence is the camera. ``mot_frames`` decides which picture
a frame is. CVAT's export "MOT 1.1" has no seqinfo.ini: then sizes are those of the pictures, and times are not known.
"""

from __future__ import annotations

import configparser
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from personsearch.datasets.dataset import UNUSABLE, Dataset
from personsearch.datasets.formats.categories import plain, unknown_names
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.mot_classes import classes_of, labels_of
from personsearch.datasets.formats.mot_frames import (
    Pictures,
    frames_to_read,
    image_folder,
    numbers_of_frames,
    pictures_in,
)
from personsearch.datasets.formats.options import SPLITS, ReadOptions
from personsearch.datasets.formats.people import people_of, scene_size
from personsearch.datasets.formats.texts import children_of, is_file, lines_of, text_of_file
from personsearch.datasets.formats.values import LARGEST, short, whole
from personsearch.datasets.scene import Query, Scene
from personsearch.errors import DatasetError

#: MOT17 has three copies of each video, one for each public detector.
_COPY = re.compile(r"(.+)-(DPM|FRCNN|SDP)$")
_COLUMNS = (7, 8, 9, 10)
#: Beyond this a length or a side is a slip of the pen.
_MOST = 10_000_000


@dataclass(frozen=True)
class _Sequence:
    """A sequence and what its seqinfo.ini says; None = it has none, or the file does not say."""

    folder: Path
    name: str
    images: str
    suffix: str | None = None
    rate: float | None = None
    length: int | None = None
    size: tuple[int, int] | None = None
    first: int | None = None

    @property
    def gt(self) -> Path:
        """The file of its boxes."""
        return self.folder / "gt" / "gt.txt"


@dataclass(frozen=True)
class _Row:
    """A line of gt.txt."""

    line: int
    frame: int
    track: int
    values: list[float]


def is_mot(folder: Path) -> bool:
    """Whether a folder is a sequence or has sequences in it, perhaps below ``train`` or ``test``."""
    children = [child for child in children_of(folder) if child.is_dir()]
    below = [one for child in children if child.name in ("train", "test") for one in children_of(child)]
    return any(_is_sequence(one) for one in (folder, *children, *below))


def _is_sequence(folder: Path) -> bool:
    return is_file(folder / "seqinfo.ini") or is_file(folder / "gt" / "gt.txt")


def load_mot(source: Path, split: str, options: ReadOptions, *, same_people: bool = False) -> Dataset:
    """Read a sequence, or all sequences of a folder.

    Args:
        source: folder of a sequence, of sequences, or of folders ``train`` and ``test`` with sequences.
        split: which of ``train`` and ``test`` to read where both are there.
        options: ``images`` must be None, because a sequence holds its frames. ``queries`` is "first" (the default for
            "test"): everyone with an identity is searched for, by their first box in each sequence, unless no other
            frame shows them. ``people`` are names of classes, or their numbers. No counts are published, so
            ``check_counts`` has no effect.
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
    classes: Counter[str] = Counter()
    for sequence in _sequences(folder, ledger):
        taken = max((int(scene.identities.max(initial=-1)) for scene in scenes), default=-1)
        scenes += _scenes(sequence, 0 if same_people else taken + 1, options.people, classes, ledger)
    if unknown := unknown_names(classes, options.people):
        raise DatasetError(f"{folder}: {unknown}; correct people (--people)")
    queries: tuple[Query, ...] = ()
    if split == "test" or options.queries is not None:
        queries, alone = first_queries(scenes)
        ledger.change("no query, because no other frame shows the person", alone)
    accounting = ledger.close(scenes, skip_bad=options.skip_bad)
    name = root.resolve().name if folder == root else f"{root.resolve().name}-{split}"
    return Dataset(name=f"mot/{name}", scenes=tuple(scenes), queries=queries, accounting=accounting)


def first_queries(scenes: Sequence[Scene]) -> tuple[tuple[Query, ...], int]:
    """Return a query for everyone who has an identity, by their first box in each camera.

    Whoever only one scene shows cannot be found anywhere else and is no query.

    Returns:
        The queries, and the number of people left out.
    """
    times = Counter(identity for scene in scenes for identity in set(scene.identities.tolist()) if identity >= 0)
    seen: set[tuple[str | None, int]] = set()
    queries = []
    for scene in scenes:
        for box, identity in zip(scene.boxes, scene.identities.tolist(), strict=True):
            if times[identity] > 1 and (scene.camera, identity) not in seen:
                seen.add((scene.camera, identity))
                queries.append(Query(image_id=scene.image_id, box=box, identity=identity))
    return tuple(queries), sum(count == 1 for count in times.values())


def _sequences(folder: Path, ledger: Ledger) -> list[_Sequence]:
    folders = [one for one in (folder, *children_of(folder)) if _is_sequence(one)]
    others = [name for name in SPLITS if any(_is_sequence(one) for one in children_of(folder / name))]
    if not folders and others:
        raise DatasetError(f"{folder}: its sequences are in {others[0]}; read that with split={others[0]!r} (--split)")
    if not folders:
        raise DatasetError(
            f"{folder}: is neither a sequence nor a folder of sequences: no seqinfo.ini in it or below, no gt/gt.txt"
        )
    sequences: list[_Sequence] = []
    videos: set[str] = set()
    for one in folders:
        copy = _COPY.match(one.name)
        video = copy.group(1) if copy else one.name
        if video in videos:
            gt = one / "gt" / "gt.txt"
            count = len(lines_of(gt)) if is_file(gt) else 0
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
    if not is_file(path):
        return _Sequence(folder=folder, name=folder.resolve().name, images=image_folder(folder))
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text_of_file(path))
        part = parser[next((name for name in parser.sections() if plain(name) == "sequence"), "Sequence")]
        first = part.get("firstFrame")
        info = _Sequence(
            folder=folder,
            name=part.get("name", folder.name),
            images=part.get("imDir", "img1"),
            suffix=f".{part.get('imExt', '.jpg').strip().removeprefix('.')}",
            rate=(rate := float(part["frameRate"])),
            length=(length := int(part["seqLength"])),
            size=(size := (int(part["imWidth"]), int(part["imHeight"]))),
            first=None if first is None else int(first),
        )
    except KeyError as error:
        raise ProblemError(path, f"has no {error.args[0]}") from None
    except OSError as error:
        raise ProblemError(path, f"cannot be read ({error.strerror})") from None
    except (configparser.Error, ValueError) as error:
        raise ProblemError(path, " ".join(str(error).split())) from None
    if min(rate, length, *size) <= 0 or not np.isfinite(rate):
        raise ProblemError(path, "frameRate, seqLength, imWidth and imHeight must be above 0")
    if max(length, *size) > _MOST or not 0 <= (info.first or 0) <= _MOST:
        raise ProblemError(path, f"seqLength, imWidth, imHeight and firstFrame must be at most {_MOST:,}")
    return info


def _scenes(
    sequence: _Sequence, first_identity: int, people: Sequence[str] | None, seen: Counter[str], ledger: Ledger
) -> list[Scene]:
    """Read a sequence; ``seen`` counts the names of its classes."""
    try:
        lines = lines_of(sequence.gt)
        labels = labels_of(sequence.gt)
    except OSError as error:
        ledger.bad_file(
            sequence.gt,
            f"cannot be read ({error.strerror}); MOTChallenge does not publish the labels of its test sequences",
        )
        return []
    ledger.read(len(lines))
    rows = _rows(lines, sequence, first_identity, ledger)
    try:
        pictures = pictures_in(sequence.folder / sequence.images, sequence.suffix)
        if not pictures.names:
            raise ProblemError(pictures.folder, "no pictures with a number in their name; the frames belong here")
        classes = classes_of([row.values for row in rows], labels, people)
        seen.update(classes.counts())
        seen.update(str(kind) for kind in classes.kinds if kind is not None and people is not None)
        table = numbers_of_frames(
            pictures,
            (row.frame for row in rows),
            first=sequence.first,
            length=sequence.length,
            exported=labels is not None,
        )
    except ValueError as error:
        problem = ProblemError(sequence.gt, str(error))
    except ProblemError as error:
        problem = error
    else:
        ledger.read(len(pictures.passed_over))
        ledger.drop("picture without a frame's number in its name", len(pictures.passed_over))
        if classes.note:
            ledger.change(classes.note, len(rows))
        kept = [row for place, row in enumerate(rows) if classes.is_person(place)]
        for place in range(len(rows)):
            if not classes.is_person(place):
                ledger.drop(classes.rule(place))
        return _read_frames(sequence, pictures, table, kept, ledger)
    ledger.drop(UNUSABLE, len(rows))
    ledger.note(problem.problem)
    return []


def _read_frames(
    sequence: _Sequence, pictures: Pictures, table: Mapping[int, int], rows: Sequence[_Row], ledger: Ledger
) -> list[Scene]:
    frames: dict[int, list[_Row]] = defaultdict(list)
    wanted = frames_to_read(table, sequence.length)
    there = set(wanted)
    for row in rows:
        if row.frame in there:
            frames[row.frame].append(row)
        else:
            where = f"{sequence.images}/" if sequence.length is None else "seqinfo.ini"
            what = f"frame {row.frame} is not in {wanted[0]}..{wanted[-1]} of {where}"
            ledger.bad_row(sequence.gt, f"line {row.line}", what)
    scenes = []
    for frame in wanted:
        number = table.get(frame)
        if number is None:
            ledger.drop(UNUSABLE, len(frames[frame]))
            ledger.bad_file(pictures.folder / pictures.name_of(frame, sequence.suffix or ".jpg"), "no such image")
            continue
        name = f"{sequence.images}/{pictures.names[number]}"
        try:
            size = sequence.size or scene_size(sequence.folder / name)
        except ProblemError as error:
            ledger.drop(UNUSABLE, len(frames[frame]))
            ledger.note(error.problem)
            continue
        time = None if sequence.rate is None else (frame - wanted[0]) / sequence.rate
        scenes.append(_scene(sequence, name, size, time, frames[frame], ledger))
    return scenes


def _rows(lines: Sequence[tuple[int, str]], sequence: _Sequence, first_identity: int, ledger: Ledger) -> list[_Row]:
    rows = []
    for number, line in lines:
        try:
            rows.append(_row(number, line, first_identity))
        except ValueError as error:
            ledger.bad_row(sequence.gt, f"line {number}", str(error))
    return rows


def _row(number: int, line: str, first_identity: int) -> _Row:
    text = line.strip().rstrip(",")
    words = text.split("," if "," in text else ";" if ";" in text else None)
    if len(words) not in _COLUMNS:
        raise ValueError(f"expected {_COLUMNS[0]} to {_COLUMNS[-1]} numbers, got {len(words)}")
    frame, track = whole(words[0]), whole(words[1])
    try:
        if "_" in text:  # which Python reads as nothing
            raise ValueError
        values = [float(word) for word in words]
    except ValueError:
        raise ValueError(f"expected numbers, got {short(line.strip())}") from None
    if frame is None or not 0 <= frame <= LARGEST:
        raise ValueError(f"frame {words[0].strip()} must be a whole number, 0 or more")
    if track is None or track < -1:
        raise ValueError(f"track id {words[1].strip()} must be a whole number, 0 or more (-1 = without a label)")
    if track > LARGEST - first_identity:
        raise ValueError(f"track id {words[1].strip()} is too large; number people from 0")
    if not all(math.isfinite(value) for value in values[6:]):
        raise ValueError("flag, class and visibility must be finite numbers")
    if len(words) in (8, 9) and not values[7].is_integer():
        raise ValueError(f"class {words[7].strip()} must be a whole number")
    return _Row(number, frame, track if track < 0 else track + first_identity, values)


def _scene(
    sequence: _Sequence,
    name: str,
    size: tuple[int, int],
    time: float | None,
    rows: Sequence[_Row],
    ledger: Ledger,
) -> Scene:
    xywh = np.array([row.values[2:6] for row in rows], dtype=np.float64).reshape(-1, 4)
    # Boxes cover whole people, so the box of somebody who has just left may lie outside the image.
    with np.errstate(invalid="ignore", over="ignore"):
        beyond = (xywh[:, :2] + xywh[:, 2:] <= 0) | (xywh[:, :2] >= size)
    outside = (xywh[:, 2:] > 0).all(axis=1) & beyond.any(axis=1)
    ledger.drop("wholly outside the image", int(outside.sum()))
    inside = [rows[place] for place in np.flatnonzero(~outside).tolist()]
    boxes, identities, ignore, repeated = people_of(
        ledger,
        sequence.gt,
        lambda place: f"line {inside[place].line}",
        xywh[~outside],
        np.array([row.track for row in inside], dtype=np.int64),
        np.array([row.values[6] == 0 for row in inside], dtype=bool),
        size,
    )
    return Scene(
        image_id=f"{sequence.name}/{name}",
        path=sequence.folder / name,
        width=size[0],
        height=size[1],
        camera=sequence.name,
        time=time,
        place=sequence.name,
        boxes=boxes,
        identities=identities,
        ignore=ignore,
        repeated=repeated,
    )
