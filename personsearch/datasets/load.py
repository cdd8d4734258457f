"""The one door to every format: :func:`load_dataset`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from personsearch.datasets.dataset import Dataset, why_empty
from personsearch.datasets.formats.coco import load_coco
from personsearch.datasets.formats.cuhk_sysu import load_cuhk_sysu
from personsearch.datasets.formats.cvat import FILE as CVAT_FILE
from personsearch.datasets.formats.cvat import load_cvat
from personsearch.datasets.formats.label_studio import is_label_studio, load_label_studio
from personsearch.datasets.formats.market import load_market
from personsearch.datasets.formats.mot import is_mot, load_mot
from personsearch.datasets.formats.options import SPLITS, ReadOptions
from personsearch.datasets.formats.prw import load_prw
from personsearch.datasets.formats.texts import children_of
from personsearch.errors import DatasetError

#: Reads one split of a set: its path, the split, the options.
Loader = Callable[[Path, str, ReadOptions], Dataset]


@dataclass(frozen=True)
class Format:
    """A format that sets come in.

    Attributes:
        what: for people: its name, and the files it is recognised by.
        recognises: whether a file or folder looks like it.
        load: reads it.
        mark: file or folder that a set has if it has the split ``{}``.
    """

    what: str
    recognises: Callable[[Path], bool]
    load: Loader
    mark: str


def _is_coco(path: Path) -> bool:
    return _has_split(_COCO)(path) if path.is_dir() else path.suffix == ".json" and not is_label_studio(path)


def _is_cvat(path: Path) -> bool:
    return (path / CVAT_FILE).is_file() if path.is_dir() else path.suffix == ".xml"


def _has_split(mark: str, is_there: Callable[[Path], bool] = Path.is_file) -> Callable[[Path], bool]:
    return lambda path: any(is_there(path / mark.format(split)) for split in SPLITS)


_COCO, _PRW, _CUHK_SYSU, _MARKET = "{}.json", "frame_{}.mat", "annotation/Images.mat", "bounding_box_{}"
#: The mark of a format whose sets are in one piece: no folder of sets holds it.
_NO_SPLITS = f"{CVAT_FILE}/{{}}"

FORMATS: Mapping[str, Format] = {
    "coco": Format(
        "COCO-style json (a .json file, or train.json or test.json in a folder)", _is_coco, load_coco, _COCO
    ),
    "prw": Format("PRW (frame_train.mat or frame_test.mat)", _has_split(_PRW), load_prw, _PRW),
    "cuhk-sysu": Format("CUHK-SYSU (annotation/Images.mat)", _has_split(_CUHK_SYSU), load_cuhk_sysu, _CUHK_SYSU),
    "mot": Format("MOTChallenge (seqinfo.ini or gt/gt.txt)", is_mot, load_mot, "{}"),
    "mot-shared": Format(
        "MOTChallenge whose track ids mean the same person in all sequences (only when asked for)",
        lambda path: False,
        partial(load_mot, same_people=True),
        "{}",
    ),
    "market": Format(
        "crops with Market-1501's names (bounding_box_train or bounding_box_test)",
        _has_split(_MARKET, Path.is_dir),
        load_market,
        _MARKET,
    ),
    "cvat": Format('CVAT\'s XML ("CVAT for images 1.1", annotations.xml)', _is_cvat, load_cvat, _NO_SPLITS),
    "label-studio": Format(
        "Label Studio's JSON export (a .json file that holds a list)", is_label_studio, load_label_studio, _NO_SPLITS
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
    people: Sequence[str] | None = None,
    allow_empty: bool = False,
) -> Dataset:
    """Read a split of a set in any of :data:`FORMATS`.

    Args:
        source: the set's folder, or a file: COCO-style json, CVAT's XML, Label Studio's json.
        split: "train" or "test"; in a COCO-style folder, the name of any json file there. A set in one piece is read
            whole, but "train" has no queries unless they are asked for.
        format: a key of FORMATS; default: the one whose files are there.
        images: folder of the images where they are not in their usual place (coco, prw, cuhk-sysu, cvat,
            label-studio).
        queries: a file, or a protocol of the set: CUHK-SYSU "G50" .. "G4000", "all", "occlusion", "resolution"; PRW
            "standard", "mini"; MOT "first". The default is the usual one.
        skip_bad: skip malformed rows and files and list them in ``accounting.skipped``. Without it they are an error
            that names the first few, each with file and row.
        check_counts: a folder with the lists of the official PRW or CUHK-SYSU must have its published counts; False
            reads it as it is and says so in the set's name.
        require_images: False reads COCO-style annotations whose images are missing; other formats take the sizes from
            the images.
        people: names of the categories that are people (coco, cvat, label-studio; mot: names or numbers of classes);
            others are left out. Default: those called person, pedestrian, people or human, or else the only one in use.
        allow_empty: return a set without a usable scene, or one whose boxes the rules of the format leave out to the
            last, with the reasons in its accounting. Otherwise it is an error.

    Raises:
        DatasetError: there is no such set, its format is unclear, it cannot be used, or nothing is left of it.
        MissingExtraError: PRW and CUHK-SYSU need scipy.
    """
    path = Path(source)
    options = ReadOptions(
        images=images,
        queries=queries,
        skip_bad=skip_bad,
        check_counts=check_counts,
        require_images=require_images,
        people=(people,) if isinstance(people, str) else tuple(people or ()) or None,
    )
    dataset = FORMATS[_format_of(path, format)].load(path, split, options)
    trouble = why_empty(len(dataset.scenes), dataset.accounting)
    if trouble and not allow_empty:
        chosen = any(why.startswith(("class", "category")) for why in dataset.accounting.dropped)
        advice = "; say which categories are people with people (--people NAME)" if chosen and dataset.scenes else ""
        raise DatasetError(f"{path}{f' ({split})' if path.is_dir() else ''}: {trouble}{advice}")
    return dataset


def splits_of(source: str | Path, *, format: str | None = None) -> tuple[str, ...]:
    """Return which of "train" and "test" a set has, in this order; a set in one piece is read as "test".

    Args:
        source: as for :func:`load_dataset`.
        format: as for :func:`load_dataset`.

    Raises:
        DatasetError: there is no such set, or its format is unclear.
    """
    path = Path(source)
    mark = FORMATS[_format_of(path, format)].mark
    return tuple(split for split in SPLITS if (path / mark.format(split)).exists()) or ("test",)


def _format_of(path: Path, wanted: str | None) -> str:
    if not os.path.exists(path):
        raise DatasetError(f"{path}: no such file or folder")
    if wanted is not None:
        if wanted not in FORMATS:
            raise DatasetError(f"there is no format {wanted!r}; choose one of {', '.join(FORMATS)}")
        return wanted
    names = [name for name, one in FORMATS.items() if one.recognises(path)]
    if len(names) == 1:
        return names[0]
    if names:
        raise DatasetError(f"{path}: looks like {' and '.join(names)}; say which with format (--format)")
    tables = [child.name for child in children_of(path) if child.suffix == ".json"]
    if tables:
        raise DatasetError(
            f"{path}: is not a set in a known format, but holds {', '.join(tables[:3])}; give the json file of the "
            "annotations instead of the folder"
        )
    formats = "; ".join(one.what for one in FORMATS.values())
    raise DatasetError(f"{path}: is not a set in a known format. The known formats: {formats}")
