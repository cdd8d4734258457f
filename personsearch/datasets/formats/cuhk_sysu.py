"""CUHK-SYSU in its official layout: ``Image/SSM/`` and ``annotation/`` with ``Images.mat``, ``pool.mat``, ``test/``.

Identities 0..5531 are the entries of ``Train.mat`` in order, those from 5532 on the queries of the test protocols in
order, so that a number means the same person in both splits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import UNUSABLE, Dataset
from personsearch.datasets.formats.cuhk_protocols import Entry, Protocol, protocol_file, queries_of, read_protocol
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.matlab import box_of, read_mat, text_of
from personsearch.datasets.formats.options import ReadOptions, check_split, refuse_people
from personsearch.datasets.formats.people import people_of, scene_size
from personsearch.datasets.formats.published import PUBLISHED, checked_name
from personsearch.datasets.scene import Query, Scene

#: The first identity of the test split: the number of entries of ``Train.mat``.
FIRST_TEST_IDENTITY = 5532

_IMAGES = Path("annotation", "Images.mat")

#: Image -> boxes (x, y, width, height), each with its identity.
Labels = dict[str, list[tuple[tuple[float, ...], int]]]


@dataclass(frozen=True)
class _Listed:
    """An entry of Images.mat: its row, and the cells of its boxes."""

    row: str
    cells: tuple[Any, ...]


def load_cuhk_sysu(source: Path, split: str, options: ReadOptions) -> Dataset:
    """Read a split.

    Args:
        source: the set's folder.
        split: "train" (the images that are not in the pool, sorted) or "test" (the pool, in its order).
        options: ``images`` is the folder of the images, by default ``Image/SSM``. ``queries`` is "G50", "G100" (the
            default), "G500", "G1000", "G2000" or "G4000" for that many gallery images per query; "all" for the list of
            G50 followed by every other image of the pool; "occlusion" or "resolution" for the subsets; or a .mat file
            like theirs.

    Raises:
        DatasetError: a file or row cannot be used, or the counts are not the published ones.
        MissingExtraError: scipy is not installed.
    """
    root, ledger = source, Ledger()
    check_split(root, split, options)
    refuse_people(root, options)
    file = root / _IMAGES
    table = _images(file, ledger)
    names = _split_names(root / "annotation" / "pool.mat", table, split, ledger)
    folder = root / "Image" / "SSM" if options.images is None else Path(options.images)
    queries: list[Query] = []
    if split == "train":
        labels, people = _training_labels(root / "annotation" / "test" / "train_test" / "Train.mat", ledger)
        scenes = _scenes(table, names, labels, folder, file, ledger)
        label = "cuhk-sysu/train"
        listed = {"images": len(names), "identities": people}
    else:
        label, queries, scenes, listed = _test(root, table, names, options.queries, folder, ledger)
    accounting = ledger.close(scenes, skip_bad=options.skip_bad)
    counted = {**listed, "boxes": _count_boxes(split, table, names, ledger)}
    check = options.check_counts and not accounting.skipped
    name = checked_name(f"cuhk-sysu/{split}", label, root.resolve().name, listed, counted, check)
    return Dataset(name=name, scenes=tuple(scenes), queries=tuple(queries), accounting=accounting)


def _test(
    root: Path,
    table: Mapping[str, _Listed],
    names: Sequence[str],
    queries: str | Path | None,
    folder: Path,
    ledger: Ledger,
) -> tuple[str, list[Query], list[Scene], dict[str, int]]:
    """Read the test split; returns the set's label, its queries, its scenes and the lengths of its lists."""
    file, keys, wanted = protocol_file(root, queries)
    base_file, base_keys, _ = protocol_file(root, "G50")
    protocol = read_protocol(file, keys, ledger)
    if file != base_file and base_file.is_file():
        numbers = _numbers(read_protocol(base_file, base_keys, ledger))
    else:
        numbers = _numbers(protocol)
    _number_more(numbers, protocol)
    labels: Labels = {}
    for (name, box), identity in numbers.items():
        labels.setdefault(name, []).append((box, identity))
    scenes = _scenes(table, names, labels, folder, root / _IMAGES, ledger)
    identities = [numbers[entry.query] for entry in protocol]
    queries_in_file = queries_of(protocol, identities, scenes, names, file, ledger, whole_pool=wanted == "all")
    listed = {"images": len(names)}
    if wanted == "all" or wanted.startswith("G"):
        listed["queries"] = len(protocol)
    return f"cuhk-sysu/{wanted}", queries_in_file, scenes, listed


def _numbers(protocol: Protocol) -> dict[Entry, int]:
    """Number queries in their order: (image, x y width height) of a query and of its true matches -> identity."""
    numbers: dict[Entry, int] = {}
    for one in protocol:
        for entry in (one.query, *one.truths):
            numbers.setdefault(entry, FIRST_TEST_IDENTITY + one.number)
    return numbers


def _number_more(numbers: dict[Entry, int], protocol: Protocol) -> None:
    """Number the people that only the list of a subset names."""
    next_identity = max(numbers.values(), default=FIRST_TEST_IDENTITY - 1) + 1
    for one in protocol:
        if one.query not in numbers:
            known = [numbers[entry] for entry in one.truths if entry in numbers]
            numbers[one.query] = known[0] if known else next_identity
            next_identity += not known
        for entry in one.truths:
            numbers.setdefault(entry, numbers[one.query])


def _images(path: Path, ledger: Ledger) -> dict[str, _Listed]:
    table: dict[str, _Listed] = {}
    for number, entry in enumerate(read_mat(path, ("Img",)).ravel(), 1):
        row = f"Img({number})"
        try:
            name = text_of(entry[0])
            cells = tuple(part[0] for part in np.asarray(entry[2]).ravel())
        except (ValueError, IndexError, TypeError, KeyError):
            ledger.bad_file(path, "expected imname, nAppear, box", row)
            continue
        if name in table:
            ledger.bad_file(path, f"{name} is listed more than once", row)
            continue
        table[name] = _Listed(row, cells)
    return table


def _split_names(path: Path, table: Mapping[str, _Listed], split: str, ledger: Ledger) -> list[str]:
    pool: dict[str, None] = {}
    for number, cell in enumerate(read_mat(path, ("pool",)).ravel(), 1):
        try:
            name = text_of(cell)
            if name not in table:
                raise ValueError(f"{name} is not in Images.mat")
            if name in pool:
                raise ValueError(f"{name} is listed more than once")
        except ValueError as error:
            ledger.bad_file(path, str(error), f"pool({number})")
            continue
        pool[name] = None
    # Sorted, because the order of a set difference changes from run to run.
    return list(pool) if split == "test" else sorted(table.keys() - pool.keys())


def _training_labels(path: Path, ledger: Ledger) -> tuple[Labels, int]:
    """Return the labels of the training images, and the number of people."""
    labels: Labels = {}
    entries = read_mat(path, ("Train",)).ravel()
    for identity, item in enumerate(entries):
        for row, scene in _appearances(path, identity, item, ledger):
            try:
                labels.setdefault(text_of(scene[0]), []).append((tuple(box_of(scene[1]).tolist()), identity))
            except (ValueError, IndexError, TypeError) as error:
                ledger.bad_file(path, f"expected imname, idlocate, ishard ({error})", row)
    return labels, len(entries)


def _appearances(path: Path, identity: int, item: Any, ledger: Ledger) -> Iterator[tuple[str, Any]]:
    """Yield the scenes of one person: idname, nAppear, scene in a 1x1 struct, usually inside a cell."""
    row = f"Train({identity + 1})"
    try:
        while isinstance(item, np.ndarray):
            item = item.ravel()[0]
        scenes = np.asarray(item[2]).ravel()
    except (IndexError, TypeError):
        ledger.bad_file(path, "expected idname, nAppear, scene", row)
        return
    for number, scene in enumerate(scenes, 1):
        yield f"{row}.scene({number})", scene


def _scenes(
    table: Mapping[str, _Listed], names: Sequence[str], labels: Labels, folder: Path, file: Path, ledger: Ledger
) -> list[Scene]:
    wanted = set(names)
    misplaced = sum(len(boxes) for name, boxes in labels.items() if name not in wanted)
    ledger.change("label of an image that is not in the split, left out", misplaced)
    read = (_scene(file, name, table[name], labels.get(name, ()), folder, ledger) for name in names)
    return [scene for scene in read if scene is not None]


def _count_boxes(split: str, table: Mapping[str, _Listed], names: Sequence[str], ledger: Ledger) -> int:
    """Count boxes to compare with the published number, which may or may not include boxes without area."""
    rows = sum(len(table[name].cells) for name in names)
    return rows if rows == PUBLISHED[f"cuhk-sysu/{split}"]["boxes"] else rows - ledger.dropped[_FLAT]


_FLAT = "width or height of 0 or less"


def _scene(
    file: Path,
    name: str,
    listed: _Listed,
    labels: Sequence[tuple[tuple[float, ...], int]],
    folder: Path,
    ledger: Ledger,
) -> Scene | None:
    ledger.read(len(listed.cells))
    try:
        size = scene_size(folder / name, boxes_as_stored=True)
    except ProblemError as error:
        ledger.drop(UNUSABLE, len(listed.cells))
        ledger.note(error.problem)
        return None
    boxes, rows = [], []
    for number, cell in enumerate(listed.cells, 1):
        try:
            box = box_of(cell)
        except ValueError as error:
            ledger.bad_row(file, f"{listed.row}.box({number})", str(error))
            continue
        if (box[2:] <= 0).any():
            ledger.drop(_FLAT)
            continue
        boxes.append(box)
        rows.append(number)
    xywh = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    kept, identities, ignore, repeated = people_of(
        ledger,
        file,
        lambda row: f"{listed.row}.box({rows[row]})",
        xywh,
        _attach(xywh, labels, ledger),
        np.zeros(len(xywh), dtype=bool),
        size,
    )
    return Scene(
        image_id=name,
        path=folder / name,
        width=size[0],
        height=size[1],
        camera=None,
        time=None,
        place=None,
        boxes=kept,
        identities=identities,
        ignore=ignore,
        repeated=repeated,
    )


def _attach(
    xywh: NDArray[np.float64], labels: Sequence[tuple[tuple[float, ...], int]], ledger: Ledger
) -> NDArray[np.int64]:
    """Return (N,) identities: a label goes to the first box that is exactly equal to its own."""
    identities = np.full(len(xywh), -1, dtype=np.int64)
    for box, identity in labels:
        equal = np.flatnonzero((xywh == np.array(box)).all(axis=1))
        if not len(equal):
            ledger.change("label whose box is not in Images.mat, left out")
        elif identities[equal[0]] >= 0 and identities[equal[0]] != identity:
            ledger.change("second label of one box, left out")
        else:
            identities[equal[0]] = identity
    return identities
