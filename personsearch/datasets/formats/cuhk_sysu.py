"""CUHK-SYSU in its official layout: ``Image/SSM/`` and ``annotation/`` with ``Images.mat``, ``pool.mat``, ``test/``.

Identities: 0..5531 are the entries of ``Train.mat`` in order, and from 5532 on the queries of the test protocols in
order, so that a number means one person in both splits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.formats.cuhk_protocols import Entry, Protocol, ask, protocol_file, read_protocol
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.matlab import box_of, read_mat, text_of
from personsearch.datasets.formats.people import image_size, people_of
from personsearch.datasets.formats.published import PUBLISHED, checked_name
from personsearch.datasets.scene import Query, Scene
from personsearch.errors import DatasetError

#: The first identity of the test split: as many as ``Train.mat`` has entries.
FIRST_TEST_IDENTITY = 5532

_IMAGES = Path("annotation", "Images.mat")
_SPLITS = ("train", "test")


#: By image: boxes (x, y, width, height) and whose they are.
Labels = dict[str, list[tuple[tuple[float, ...], int]]]


@dataclass(frozen=True)
class _Listed:
    """An entry of Images.mat: its row, and the cells of its boxes."""

    row: str
    cells: tuple[Any, ...]


def load_cuhk_sysu(
    source: str | Path,
    split: str = "test",
    *,
    images: str | Path | None = None,
    queries: str | Path | None = None,
    skip_bad: bool = False,
    check_counts: bool = True,
) -> Dataset:
    """Read a split.

    Args:
        source: the set's folder.
        split: "train" (the images that are not in the pool, sorted) or "test" (the pool, in its order).
        images: folder of the images; default: ``Image/SSM``.
        queries: "G50", "G100" (default), "G500", "G1000", "G2000", "G4000": so many gallery images a query; "all": the
            list of G50 and then every other image of the pool; "occlusion", "resolution": the subsets; or a .mat file
            like them.
        skip_bad: pass over malformed rows and files and list them in the accounting.
        check_counts: hold what passes for the official set to its published counts; see :mod:`.published`.

    Raises:
        DatasetError: a file or row cannot be used, or the counts are not the published ones.
        MissingExtraError: scipy is not installed.
    """
    root, ledger = Path(source), Ledger()
    if split not in _SPLITS:
        raise DatasetError(f"{root}: split {split!r} is none of {', '.join(_SPLITS)}")
    if split == "train" and queries is not None:
        raise DatasetError(f"{root}: nobody is looked for in the training split; it has no queries {str(queries)!r}")
    file = root / _IMAGES
    table = _images(file, ledger)
    names = _split_names(root / "annotation" / "pool.mat", table, split, ledger)
    folder = root / "Image" / "SSM" if images is None else Path(images)
    asked: list[Query] = []
    if split == "train":
        labels, people = _training_labels(root / "annotation" / "test" / "train_test" / "Train.mat", ledger)
        scenes = _scenes(table, names, labels, folder, file, ledger)
        label = "cuhk-sysu/train"
        listed = {"images": len(names), "identities": people}
    else:
        label, asked, scenes, listed = _test(root, table, names, queries, folder, ledger)
    accounting = ledger.close(scenes, skip_bad=skip_bad)
    found = {**listed, "boxes": _count_boxes(split, table, names, ledger)}
    check = check_counts and not accounting.skipped
    name = checked_name(f"cuhk-sysu/{split}", label, root.resolve().name, listed, found, check)
    return Dataset(name=name, scenes=tuple(scenes), queries=tuple(asked), accounting=accounting)


def _test(
    root: Path,
    table: Mapping[str, _Listed],
    names: Sequence[str],
    queries: str | Path | None,
    folder: Path,
    ledger: Ledger,
) -> tuple[str, list[Query], list[Scene], dict[str, int]]:
    """Read the test split: label of the set, queries, scenes, lengths of the lists."""
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
    asked = ask(protocol, identities, scenes, names, file, ledger, everything=wanted == "all")
    listed = {"images": len(names)}
    if wanted == "all" or wanted.startswith("G"):
        listed["queries"] = len(protocol)
    return f"cuhk-sysu/{wanted}", asked, scenes, listed


def _numbers(protocol: Protocol) -> dict[Entry, int]:
    """Number queries by their order: (image, x y width height) of the query and of each true match -> identity."""
    numbers: dict[Entry, int] = {}
    for one in protocol:
        for entry in (one.query, *one.truths):
            numbers.setdefault(entry, FIRST_TEST_IDENTITY + one.number)
    return numbers


def _number_more(numbers: dict[Entry, int], protocol: Protocol) -> None:
    """Number the people whom only a subset's list names."""
    following = max(numbers.values(), default=FIRST_TEST_IDENTITY - 1) + 1
    for one in protocol:
        if one.query not in numbers:
            known = [numbers[entry] for entry in one.truths if entry in numbers]
            numbers[one.query] = known[0] if known else following
            following += not known
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
    """Return, by image, boxes (x, y, width, height) with identities; and the number of people."""
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
    """Yield the scenes of one person: idname, nAppear, scene in a 1x1 struct, as a rule in a cell."""
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
    strangers = sum(len(found) for name, found in labels.items() if name not in wanted)
    ledger.change("label of an image that is not in the split, left out", strangers)
    read = (_scene(file, name, table[name], labels.get(name, ()), folder, ledger) for name in names)
    return [scene for scene in read if scene is not None]


def _count_boxes(split: str, table: Mapping[str, _Listed], names: Sequence[str], ledger: Ledger) -> int:
    """Count as the published number does, of which is not known whether boxes without area are in it."""
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
        size = image_size(folder / name)
    except ProblemError as error:
        ledger.drop("of an image that cannot be used", len(listed.cells))
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
    kept, identities, ignore = people_of(
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
    )


def _attach(
    xywh: NDArray[np.float64], labels: Sequence[tuple[tuple[float, ...], int]], ledger: Ledger
) -> NDArray[np.int64]:
    """Return identities (N,): a label belongs to the first box that equals its own exactly."""
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
