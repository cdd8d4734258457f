"""Published counts of PRW and CUHK-SYSU, and whether a folder has them.

The counts of images, boxes and identities were computed from the official files. Where a paper prints another number
(6,987 images in CUHK-SYSU's gallery; 15,575 labels of 482 people in PRW), the files are right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from personsearch.errors import DatasetError

#: Set and split -> counts. The identities of PRW's test split are those in its frames: 450 of its own, 94 of training.
PUBLISHED: Mapping[str, Mapping[str, int]] = {
    "prw/train": {"images": 5704, "boxes": 18048, "labelled boxes": 14907, "identities": 483},
    "prw/test": {"images": 6112, "boxes": 25062, "labelled boxes": 19127, "identities": 544, "queries": 2057},
    "cuhk-sysu/train": {"images": 11206, "boxes": 55272, "identities": 5532},
    "cuhk-sysu/test": {"images": 6978, "boxes": 40871, "queries": 2900},
}


def differences(part: str, counted: Mapping[str, int]) -> list[str]:
    """Return a sentence for each count that differs from the published one; unpublished counts are left out.

    Args:
        part: key of PUBLISHED.
        counted: what was counted.
    """
    published = PUBLISHED[part]
    return [
        f"{what}: expected {published[what]:,}, found {count:,}"
        for what, count in counted.items()
        if what in published and count != published[what]
    ]


def is_official(part: str, listed: Mapping[str, int]) -> bool:
    """Whether a folder looks like the official set: one of its lists (of images, of people) has the official length.

    A cut-down or rendered set in the official layout has other lists and claims nothing. A partial download has the
    official lists, so it must have all the published counts and cannot pass unnoticed.

    Args:
        part: key of PUBLISHED.
        listed: lengths of the set's own lists.
    """
    return any(PUBLISHED[part].get(what) == count for what, count in listed.items())


def checked_name(
    part: str, label: str, folder: str, listed: Mapping[str, int], counted: Mapping[str, int], check: bool
) -> str:
    """Return the name that stands beside a set's figures.

    Args:
        part: key of PUBLISHED.
        label: name of the official set, e.g. ``cuhk-sysu/G100``.
        folder: name of the set's folder.
        listed: lengths of the set's own lists.
        counted: what was counted.
        check: whether counts other than the published ones are an error.

    Returns:
        ``label`` for the official set, with "(other counts)" if it was allowed to differ; for another set in the same
        layout, the folder's name instead of the official one ("other-prw" for a folder called prw).

    Raises:
        DatasetError: the set looks like the official one but has other counts.
    """
    official, rest = label.split("/", 1)
    if not is_official(part, listed):
        return f"{'other-' * (folder == official)}{folder}/{rest}"
    wrong: Sequence[str] = differences(part, counted)
    if not wrong:
        return label
    if check:
        raise DatasetError(
            f"{folder}: has the lists of the official {part}, but not its counts: {'; '.join(wrong)}. Complete the "
            "download, or read it as it is with check_counts=False (--any-counts); its figures are not comparable then"
        )
    return f"{label} (other counts)"
