"""The options that every format is read with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from personsearch.errors import DatasetError

SPLITS = ("train", "test")


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a set is read; see :func:`personsearch.datasets.load_dataset`.

    Attributes:
        images: folder of the images; None = where the format has them.
        queries: a file or one of the format's protocols; None = the usual one.
        skip_bad: skip malformed rows and files and list them in the accounting; otherwise they are an error.
        check_counts: hold what looks like an official set to its published counts.
        require_images: treat a missing image as malformed, where the annotations could be read without it.
        people: names of the categories that are people; None = those called person, or the only one in use.
    """

    images: str | Path | None = None
    queries: str | Path | None = None
    skip_bad: bool = False
    check_counts: bool = True
    require_images: bool = True
    people: Sequence[str] | None = None


def refuse_people(root: Path, options: ReadOptions) -> None:
    """Refuse to choose categories in a format that has none.

    Raises:
        DatasetError: categories were chosen.
    """
    if options.people is not None:
        raise DatasetError(f"{root}: the format has no categories to choose people from; leave people (--people) out")


def check_split(root: Path, split: str, options: ReadOptions) -> None:
    """Check a request against a set that has the splits "train" and "test", of which only "test" has queries.

    Raises:
        DatasetError: the set has no such split, or queries are asked of the training split.
    """
    if split not in SPLITS:
        raise DatasetError(f"{root}: has no split {split!r}; choose {' or '.join(SPLITS)}")
    if split == "train" and options.queries is not None:
        raise DatasetError(
            f"{root}: the training split has no queries, so {str(options.queries)!r} cannot be read; "
            "leave queries out, or read the split test"
        )
