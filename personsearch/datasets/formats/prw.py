"""PRW in its official layout: ``frames/``, ``annotations/``, ``frame_*.mat``, ``ID_*.mat``, ``query_info.txt``.

Both splits share one numbering of identities: first the people of ``ID_train.mat`` in order of their ids (0..482 in the
official set), then those of ``ID_test.mat``. The test frames show people of the training split, too; no query asks for
them, so they are known distractors.

All cameras watch one campus, so a place, which training can hold out, is ten minutes of it: ``s1m00`` are minutes 0 to
9 of the first sequence, whose cameras started together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import UNUSABLE, Dataset
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.matlab import read_mat, text_of
from personsearch.datasets.formats.options import ReadOptions, check_split, refuse_people
from personsearch.datasets.formats.people import corners_in, people_of, scene_size
from personsearch.datasets.formats.published import checked_name
from personsearch.datasets.formats.texts import is_file, text_of_file
from personsearch.datasets.formats.values import float_of, whole
from personsearch.datasets.scene import Query, Scene
from personsearch.errors import DatasetError

#: Protocol -> query list. The second is the reduced list of the QEEPS paper.
QUERY_LISTS = {"standard": "query_info.txt", "mini": "prwmini_query_info.txt"}

_BOX_KEYS = ("box_new", "anno_file", "anno_previous")
#: PRW's id of people without a label.
_UNLABELLED = -2
_CAMERA = re.compile(r"c(\d+)")
#: Camera, sequence and frame number, as in c1s1_000151.
_FRAME = re.compile(r"c\d+s(\d+)_(\d+)")
_FRAMES_PER_MINUTE = 25 * 60
_MINUTES = 10


def load_prw(source: Path, split: str, options: ReadOptions) -> Dataset:
    """Read a split.

    Args:
        source: the set's folder.
        split: "train" or "test".
        options: ``images`` is the folder of the frames, by default ``frames``. ``queries`` is "standard" (the default),
            "mini", or a file like ``query_info.txt``; the boxes of queries are clipped to their frame.

    Raises:
        DatasetError: a file or row cannot be used, or the counts are not the published ones.
        MissingExtraError: scipy is not installed.
    """
    ledger, queries = Ledger(), options.queries
    check_split(source, split, options)
    refuse_people(source, options)
    people, first_test = _numbers(source, split)
    names = _frame_names(source / f"frame_{split}.mat", f"img_index_{split}")
    folder = source / "frames" if options.images is None else Path(options.images)
    labels: Counter[int] = Counter()
    # Who is asked for: the test frames show people of training, too, and no protocol asks whether they occur twice.
    asked = first_test if split == "test" else 0
    scenes = [
        scene for name in names if (scene := _scene(source, folder, name, people, asked, labels, ledger)) is not None
    ]
    wanted: list[Query] = []
    counted = {"images": len(names), "boxes": ledger.rows, "labelled boxes": labels.total(), "identities": len(labels)}
    listed = {"images": len(names)}
    if split == "train":
        listed["identities"] = len(people)
    else:
        wanted, lines = _queries(_query_file(source, queries), scenes, people, ledger)
        if queries in (None, "standard"):
            counted["queries"] = listed["queries"] = lines
    accounting = ledger.close(scenes, skip_bad=options.skip_bad)
    check = options.check_counts and not accounting.skipped
    name = checked_name(f"prw/{split}", f"prw/{split}", source.resolve().name, listed, counted, check)
    if queries == "mini":
        name += "-mini"
    return Dataset(name=name, scenes=tuple(scenes), queries=tuple(wanted), accounting=accounting)


def _numbers(root: Path, split: str) -> tuple[dict[int, int], int]:
    """Map PRW's ids to identities, and return the first one of the test people; training needs the first list only."""
    ids = _ids(root / "ID_train.mat", ("ID_train",))
    first_test = len(ids)
    if split == "test":
        ids += [one for one in _ids(root / "ID_test.mat", ("ID_test2", "ID_test")) if one not in set(ids)]
    return {one: number for number, one in enumerate(ids)}, first_test


def _ids(path: Path, keys: Sequence[str]) -> list[int]:
    values = read_mat(path, keys)
    whole = values.dtype.kind in "uif" and np.isfinite(values).all() and np.array_equal(values, np.round(values))
    if not whole or (values < 0).any():
        raise ProblemError(path, f"{keys[0]} must hold ids: whole numbers, 0 or more")
    return sorted({int(value) for value in values.ravel()})


def _frame_names(path: Path, key: str) -> list[str]:
    names = []
    for number, cell in enumerate(read_mat(path, (key,)).ravel(), 1):
        try:
            names.append(text_of(cell).removesuffix(".jpg") + ".jpg")
        except ValueError as error:
            raise ProblemError(path, str(error), f"{key}({number})") from None
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ProblemError(path, f"lists {twice[0]} more than once")
    return names


def _scene(
    root: Path,
    folder: Path,
    name: str,
    people: Mapping[int, int],
    asked: int,
    labels: Counter[int],
    ledger: Ledger,
) -> Scene | None:
    """Read one frame and count its labels; a frame that cannot be read is noted in the ledger and gives None.

    ``asked`` is the first identity of people whose second box in a frame is noted as such.
    """
    file = root / "annotations" / f"{name}.mat"
    try:
        rows = _rows(file)
    except ProblemError as error:
        ledger.note(error.problem)
        return None
    ledger.read(len(rows))
    ids = rows[:, 0]
    labels.update(int(one) for one in ids[np.isfinite(ids) & (ids != _UNLABELLED)])
    try:
        size = scene_size(folder / name, boxes_as_stored=True)
        match = _CAMERA.match(name)
        if match is None:
            raise ProblemError(file, "the frame's name does not begin with its camera, as in c1s1_000151")
    except ProblemError as error:
        ledger.drop(UNUSABLE, len(rows))
        ledger.note(error.problem)
        return None
    known = np.array([one == _UNLABELLED or one in people for one in ids.tolist()], dtype=bool)
    for row in np.flatnonzero(~known).tolist():
        ledger.bad_row(file, f"row {row + 1}", f"id {ids[row]:g} is neither -2 nor in ID_train.mat or ID_test.mat")
    places = np.flatnonzero(known)
    boxes, identities, ignore, repeated = people_of(
        ledger,
        file,
        lambda row: f"row {places[row] + 1}",
        rows[known, 1:],
        np.array([people.get(one, -1) for one in ids[known].tolist()], dtype=np.int64),
        np.zeros(len(places), dtype=bool),
        size,
    )
    return Scene(
        image_id=name,
        path=folder / name,
        width=size[0],
        height=size[1],
        camera=match.group(0),
        time=None,
        place=_place(name),
        boxes=boxes,
        identities=identities,
        ignore=ignore,
        repeated=tuple(one for one in repeated if one[1] >= asked),
    )


def _place(name: str) -> str | None:
    """Return the sequence and the ten minutes of a frame: ``s1m20`` from 20:00 to 29:59 of sequence 1."""
    match = _FRAME.match(name)
    if match is None:
        return None
    return f"s{match[1]}m{int(match[2]) // (_MINUTES * _FRAMES_PER_MINUTE) * _MINUTES:02d}"


def _rows(file: Path) -> NDArray[np.float64]:
    """Return rows of (id, x, y, width, height)."""
    values = read_mat(file, _BOX_KEYS)
    if values.size == 0:
        return np.zeros((0, 5))
    if values.ndim != 2 or values.shape[1] != 5 or values.dtype.kind not in "uif":
        shape = "x".join(map(str, values.shape))
        raise ProblemError(file, f"must hold rows of id, x, y, width, height, but holds {shape} {values.dtype}")
    return values.astype(np.float64)


def _query_file(root: Path, queries: str | Path | None) -> Path:
    name = QUERY_LISTS.get("standard" if queries is None else str(queries))
    file = Path(str(queries)) if name is None else root / name
    if not is_file(file):
        protocols = ", ".join(QUERY_LISTS)
        raise DatasetError(f"{file}: no such query list; PRW has the protocols {protocols}; or give a file")
    return file


def _queries(file: Path, scenes: Sequence[Scene], people: Mapping[int, int], ledger: Ledger) -> tuple[list[Query], int]:
    """Read lines of ``id x y width height frame``; returns the usable queries, and the number of lines."""
    frames = {Path(scene.image_id).stem: scene for scene in scenes}
    # Lines of the official file end with CRLF, which splitting into words removes.
    try:
        lines = [line.split() for line in text_of_file(file).splitlines()]
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read ({error.strerror}); give the list of queries") from None
    queries = []
    for number, words in enumerate(lines, 1):
        if not words:
            continue
        try:
            queries.append(_query(words, frames, people))
        except ValueError as error:
            ledger.bad_file(file, str(error), f"line {number}")
    return queries, sum(bool(words) for words in lines)


def _query(words: Sequence[str], frames: Mapping[str, Scene], people: Mapping[int, int]) -> Query:
    if len(words) != 6:
        raise ValueError(f"expected id x y width height frame, got {len(words)} words")
    try:
        person = whole(words[0])
        xywh = np.array([float_of(word) for word in words[1:5]])
    except ValueError:
        person = None
    if person is None:
        raise ValueError(f"expected numbers, got {' '.join(words[:5])}")
    scene = frames.get(words[5].removesuffix(".jpg"))
    if scene is None:
        raise ValueError(f"frame {words[5]} is not among the usable test frames")
    if person not in people:
        raise ValueError(f"id {person} is in neither ID_train.mat nor ID_test.mat")
    box = corners_in(xywh, (scene.width, scene.height))
    return Query(image_id=scene.image_id, box=box, identity=people[person])
