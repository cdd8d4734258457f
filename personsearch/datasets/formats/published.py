"""Published counts of PRW and CUHK-SYSU, and whether a folder has them.

PRW's and CUHK-SYSU's image, box and identity counts were computed from the official files; where a paper prints
another number (CUHK-SYSU's gallery as 6,987 images, PRW's labels as 15,575 of 482 people) the files are right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from personsearch.errors import DatasetError

#: By set and split. ``identities`` of PRW's test split are those in its frames: 450 of its own and 94 of training.
PUBLISHED: Mapping[str, Mapping[str, int]] = {
    "prw/train": {"images": 5704, "boxes": 18048, "labelled boxes": 14907, "identities": 483},
    "prw/test": {"images": 6112, "boxes": 25062, "labelled boxes": 19127, "identities": 544, "queries": 2057},
    "cuhk-sysu/train": {"images": 11206, "boxes": 55272, "identities": 5532},
    "cuhk-sysu/test": {"images": 6978, "boxes": 40871, "queries": 2900},
}


def differences(part: str, found: Mapping[str, int]) -> list[str]:
    """Return a sentence for each count that is not the published one; counts that were not published are left out."""
    published = PUBLISHED[part]
    return [
        f"{what}: expected {published[what]:,}, found {count:,}"
        for what, count in found.items()
        if what in published and count != published[what]
    ]


def is_official(part: str, listed: Mapping[str, int]) -> bool:
    """Whether a folder passes for the official set: one of its lists (of images, of people) has the official length.

    A cut-down or rendered set in the official layout has other lists and claims nothing. A partial download has the
    official lists, so it is held to all the published counts and cannot pass unnoticed.
    """
    return any(PUBLISHED[part].get(what) == count for what, count in listed.items())


def checked_name(
    part: str, label: str, folder: str, listed: Mapping[str, int], found: Mapping[str, int], check: bool
) -> str:
    """Return the name that figures of a set may carry.

    Args:
        part: key of PUBLISHED.
        label: what the official set is called, e.g. ``cuhk-sysu/G100``.
        folder: name of the set's folder.
        listed: lengths of the set's own lists.
        found: what was counted.
        check: whether other counts than the published ones are an error.

    Returns:
        ``label`` for the official set, with "(other counts)" where it was allowed to differ; for another set in the
        same layout the folder's name instead of the official one ("other-prw" for a folder called prw).

    Raises:
        DatasetError: it passes for the official set but has other counts.
    """
    official, rest = label.split("/", 1)
    if not is_official(part, listed):
        return f"{'other-' * (folder == official)}{folder}/{rest}"
    wrong: Sequence[str] = differences(part, found)
    if not wrong:
        return label
    if check:
        raise DatasetError(
            f"{folder}: has the lists of the official {part}, but not its counts: {'; '.join(wrong)}. Complete the "
            "download, or read it as it is with check_counts=False (--any-counts); its figures are then not comparable"
        )
    return f"{label} (other counts)"
