"""One way into every format: :func:`load_dataset`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.formats.coco import CocoFile, points_into, read_coco, read_queries
from personsearch.datasets.formats.cuhk_sysu import load_cuhk_sysu
from personsearch.datasets.formats.ledger import Ledger
from personsearch.datasets.formats.market import load_market
from personsearch.datasets.formats.mot import is_mot, load_mot
from personsearch.datasets.formats.prw import load_prw
from personsearch.datasets.scene import Query
from personsearch.errors import DatasetError

_SPLITS = ("train", "test")
_COCO = "{}.json"


class Loader(Protocol):
    """What reads one format."""

    def __call__(
        self,
        source: str | Path,
        split: str = "test",
        *,
        images: str | Path | None = None,
        queries: str | Path | None = None,
        skip_bad: bool = False,
        check_counts: bool = True,
    ) -> Dataset:
        """Read a split."""


@dataclass(frozen=True)
class Format:
    """A format that sets may have.

    Attributes:
        what: for people, and what it is known by.
        known: whether a file or folder looks like it.
        load: reads it.
        mark: file or folder of a set that is there when it has the split ``{}``.
    """

    what: str
    known: Callable[[Path], bool]
    load: Loader
    mark: str


def load_coco_set(
    source: str | Path,
    split: str = "test",
    *,
    images: str | Path | None = None,
    queries: str | Path | None = None,
    skip_bad: bool = False,
    check_counts: bool = True,
    require_images: bool = True,
) -> Dataset:
    """Read a COCO-style file; see :mod:`personsearch.datasets.formats.coco`.

    Args:
        source: the json file, or a folder with ``train.json``, ``test.json``, ``queries.json``.
        split: name of the json file of a folder.
        images: folder that ``file_name`` is relative to; by default the json file's folder.
        queries: file of the queries; default: for every split but "train" the ``queries.json`` beside the json file,
            if it points into this file, as that of a folder's test.json must.
        skip_bad: pass over malformed rows and missing images and list them in the accounting.
        check_counts: no counts are published; there for loaders to be alike.
        require_images: an image that is not there cannot be used.

    Raises:
        DatasetError: the file or a row cannot be used, or an image is missing.
    """
    source, ledger = Path(source), Ledger()
    path = source / f"{split}.json" if source.is_dir() else source
    file = read_coco(path, images, ledger, require=require_images)
    asked = _coco_queries(file, split, queries, ledger)
    accounting = ledger.close(file.scenes, skip_bad=skip_bad)
    return Dataset(name=path.stem, scenes=file.scenes, queries=tuple(asked), accounting=accounting)


def _coco_queries(file: CocoFile, split: str, queries: str | Path | None, ledger: Ledger) -> list[Query]:
    if queries is not None:
        return read_queries(Path(queries), file, ledger)
    beside = file.path.parent / "queries.json"
    if split == "train" or not beside.is_file():
        return []
    if file.path.stem == "test" or points_into(beside, file):
        return read_queries(beside, file, ledger)
    return []


def _is_coco(path: Path) -> bool:
    return _has_split(_COCO)(path) if path.is_dir() else path.suffix == ".json"


def _has_split(mark: str, is_there: Callable[[Path], bool] = Path.is_file) -> Callable[[Path], bool]:
    return lambda path: any(is_there(path / mark.format(split)) for split in _SPLITS)


_PRW, _CUHK_SYSU, _MARKET = "frame_{}.mat", "annotation/Images.mat", "bounding_box_{}"

FORMATS: Mapping[str, Format] = {
    "coco": Format(
        "COCO-style json (a .json file, or train.json or test.json in a folder)", _is_coco, load_coco_set, _COCO
    ),
    "prw": Format("PRW (frame_train.mat or frame_test.mat)", _has_split(_PRW), load_prw, _PRW),
    "cuhk-sysu": Format("CUHK-SYSU (annotation/Images.mat)", _has_split(_CUHK_SYSU), load_cuhk_sysu, _CUHK_SYSU),
    "mot": Format("MOTChallenge (seqinfo.ini)", is_mot, load_mot, "{}"),
    "mot-shared": Format(
        "MOTChallenge whose track ids mean the same person in all sequences (only by name)",
        lambda path: False,
        partial(load_mot, same_people=True),
        "{}",
    ),
    "market": Format(
        "crops in Market-1501 naming (bounding_box_train or bounding_box_test)",
        _has_split(_MARKET, Path.is_dir),
        load_market,
        _MARKET,
    ),
}


def load_dataset(
    source: str | Path,
    split: str = "test",
    *,
    format: str | None = None,
    images: str | Path | None = None,
    queries: str | Path | None = None,
    skip_bad: bool = False,
    check_counts: bool = True,
    require_images: bool = True,
) -> Dataset:
    """Read a split of a set in any of :data:`FORMATS`.

    Args:
        source: the set's folder, or a COCO-style json file.
        split: "train" or "test"; of COCO-style folders any name that has a json file.
        format: a key of FORMATS; default: the one whose files are there.
        images: folder of the images where they are not in their usual place (coco, prw, cuhk-sysu).
        queries: a file, or a protocol of the set: CUHK-SYSU "G50" .. "G4000", "all", "occlusion", "resolution"; PRW
            "standard", "mini"; MOT "first". The default is the usual one.
        skip_bad: pass over malformed rows and files and list them in ``accounting.skipped``. Without it they are an
            error that names the first few, each with file and row.
        check_counts: a folder with the lists of the official PRW or CUHK-SYSU must have its published counts; False
            reads it as it is and says so in the set's name.
        require_images: False reads COCO-style annotations whose images are not there (other formats take the images'
            sizes from them).

    Raises:
        DatasetError: there is no such set, its format is unclear, or it cannot be used.
        MissingExtraError: PRW and CUHK-SYSU need scipy.
    """
    path = Path(source)
    name = _format_of(path, format)
    load = FORMATS[name].load
    if name == "coco" and not require_images:
        load = partial(load_coco_set, require_images=False)
    return load(path, split, images=images, queries=queries, skip_bad=skip_bad, check_counts=check_counts)


def splits_of(source: str | Path, *, format: str | None = None) -> tuple[str, ...]:
    """Return which of "train" and "test" a set has, in this order; a set in one piece is read as "test".

    Args:
        source: as of :func:`load_dataset`.
        format: as of :func:`load_dataset`.

    Raises:
        DatasetError: there is no such set, or its format is unclear.
    """
    path = Path(source)
    name = _format_of(path, format)
    mark = FORMATS[name].mark
    return tuple(split for split in _SPLITS if (path / mark.format(split)).exists()) or ("test",)


def _format_of(path: Path, wanted: str | None) -> str:
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder")
    if wanted is not None and wanted not in FORMATS:
        raise DatasetError(f"format {wanted!r} is none of {', '.join(FORMATS)}")
    if wanted is not None:
        return wanted
    known = [name for name, one in FORMATS.items() if one.known(path)]
    if len(known) == 1:
        return known[0]
    if known:
        raise DatasetError(f"{path}: looks like {' and '.join(known)}; say which with format (--format)")
    formats = "; ".join(one.what for one in FORMATS.values())
    raise DatasetError(f"{path}: is no set in a known format. Known are: {formats}")
