"""CUHK-SYSU's lists of queries, and of the images in which each is searched for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.formats.ledger import Ledger
from personsearch.datasets.formats.matlab import box_of, read_struct, text_of
from personsearch.datasets.formats.people import corners_in
from personsearch.datasets.scene import GalleryList, Query, Scene
from personsearch.errors import DatasetError

_SIZES = (50, 100, 500, 1000, 2000, 4000)

#: Protocol -> file below ``annotation/test``, and the key in it. Two keys differ from their file's name.
FILES: dict[str, tuple[str, str]] = {
    **{f"G{size}": (f"train_test/TestG{size}.mat", f"TestG{size}") for size in _SIZES},
    "all": ("train_test/TestG50.mat", "TestG50"),
    "occlusion": ("subset/Occlusion.mat", "Occlusion1"),
    "resolution": ("subset/Resolution.mat", "Test_Size"),
}

#: Image and box (x, y, width, height as in the file): how the files identify a person in an image.
Entry = tuple[str, tuple[float, ...]]


@dataclass(frozen=True, eq=False)
class ProtocolEntry:
    """A query in a protocol's file.

    Attributes:
        number: its place in the file, from 0.
        row: its name in messages.
        query: the person to search for.
        names: N images to search, in the file's order; a name may occur twice.
        boxes: position in ``names`` -> x, y, width, height, for the images that show the person.
    """

    number: int
    row: str
    query: Entry
    names: tuple[str, ...]
    boxes: Mapping[int, tuple[float, ...]]

    @property
    def truths(self) -> list[Entry]:
        """The listed images that show the person."""
        return [(self.names[row], box) for row, box in self.boxes.items()]


Protocol = list[ProtocolEntry]


def protocol_file(root: Path, queries: str | Path | None) -> tuple[Path, tuple[str, ...], str]:
    """Return a protocol's file (or the file that the user gives), the keys it may have, and the protocol's name.

    Raises:
        DatasetError: there is no such protocol or file.
    """
    name = "G100" if queries is None else str(queries)
    if name in FILES:
        below, key = FILES[name]
        return root / "annotation" / "test" / below, (key, Path(below).stem), name
    path = Path(name)
    if not path.is_file():
        raise DatasetError(f"{name}: is neither a file nor a protocol of CUHK-SYSU, which has {', '.join(FILES)}")
    return path, (path.stem, *(key for _, key in FILES.values())), path.stem


def read_protocol(path: Path, keys: Sequence[str], ledger: Ledger) -> Protocol:
    """Read a protocol's file; entries that cannot be used are noted in the ledger.

    Raises:
        ProblemError: the file cannot be read.
    """
    protocol = []
    shared: dict[str, str] = {}  # one string for a name that thousands of galleries list
    for number, item in enumerate(read_struct(path, keys)):
        row = f"{keys[0]}({number + 1})"
        try:
            query = np.asarray(item[0]).ravel()[0]
            entry = (text_of(query[0]), tuple(box_of(query[1]).tolist()))
            gallery = np.asarray(item[1]).ravel()
        except (ValueError, IndexError, TypeError) as error:
            ledger.bad_file(path, f"expected Query (imname, idlocate, ishard, idname) and Gallery ({error})", row)
            continue
        names, boxes = _gallery(path, f"{row}.Gallery", gallery, shared, ledger)
        protocol.append(ProtocolEntry(number, row, entry, names, boxes))
    return protocol


def _gallery(
    path: Path, row: str, gallery: NDArray[Any], shared: dict[str, str], ledger: Ledger
) -> tuple[tuple[str, ...], dict[int, tuple[float, ...]]]:
    names: list[str] = []
    boxes: dict[int, tuple[float, ...]] = {}
    for number, image in enumerate(gallery, 1):
        try:
            name = text_of(image[0])
            # Empty where the person is not in the image; elsewhere uint8 or uint16, which box_of makes float64.
            if np.asarray(image[1]).size:
                boxes[len(names)] = tuple(box_of(image[1]).tolist())
        except (ValueError, IndexError, TypeError) as error:
            ledger.bad_file(path, f"expected imname, idlocate, ishard ({error})", f"{row}({number})")
            continue
        names.append(shared.setdefault(name, name))
    return tuple(names), boxes


def queries_of(
    protocol: Protocol,
    identities: Sequence[int],
    scenes: Sequence[Scene],
    pool: Sequence[str],
    file: Path,
    ledger: Ledger,
    *,
    whole_pool: bool,
) -> list[Query]:
    """Turn a protocol into queries with galleries; boxes are clipped to their images.

    Args:
        protocol: as read.
        identities: one for each entry.
        scenes: those that can be used.
        pool: names of all test images, in order.
        file: the protocol's file.
        ledger: takes entries that cannot be used.
        whole_pool: each gallery continues with all images of the pool that it does not list, except the query's own.
    """
    sizes = {scene.image_id: (scene.width, scene.height) for scene in scenes}
    queries, in_pool, usable = [], set(pool), [name for name in pool if name in sizes]
    for one, identity in zip(protocol, identities, strict=True):
        name, xywh = one.query
        try:
            if name not in sizes:
                raise ValueError(f"{name} cannot be used" if name in in_pool else f"{name} is not in the pool")
            box = corners_in(np.array(xywh), sizes[name])
        except ValueError as error:
            ledger.bad_file(file, str(error), f"{one.row}.Query")
            continue
        gallery = _gallery_list(one, sizes, in_pool, file, ledger)
        if whole_pool:
            gallery = _with_the_rest(gallery, name, usable)
        queries.append(Query(image_id=name, box=box, identity=identity, gallery=gallery))
    return queries


def _gallery_list(
    one: ProtocolEntry, sizes: dict[str, tuple[int, int]], in_pool: set[str], file: Path, ledger: Ledger
) -> GalleryList:
    boxes = np.full((len(one.names), 4), np.nan, dtype=np.float32)
    good = np.array([name in sizes for name in one.names], dtype=bool)
    for row in np.flatnonzero(~good).tolist():
        if one.names[row] in in_pool:
            ledger.change("gallery entry of an image that cannot be used, left out")
        else:
            ledger.bad_file(file, f"{one.names[row]} is not in the pool", f"{one.row}.Gallery({row + 1})")
    for row, box in one.boxes.items():
        if not good[row]:
            continue
        try:
            boxes[row] = corners_in(np.array(box), sizes[one.names[row]])
        except ValueError as error:
            ledger.bad_file(file, str(error), f"{one.row}.Gallery({row + 1})")
            good[row] = False
    if good.all():
        return GalleryList(image_ids=one.names, boxes=boxes)
    names = tuple(name for name, keep in zip(one.names, good.tolist(), strict=True) if keep)
    return GalleryList(image_ids=names, boxes=boxes[good])


def _with_the_rest(gallery: GalleryList, own: str, usable: Sequence[str]) -> GalleryList:
    listed = {own, *gallery.image_ids}
    rest = tuple(name for name in usable if name not in listed)
    boxes = np.full((len(gallery.image_ids) + len(rest), 4), np.nan, dtype=np.float32)
    boxes[: len(gallery.boxes)] = gallery.boxes
    return GalleryList(image_ids=gallery.image_ids + rest, boxes=boxes)
