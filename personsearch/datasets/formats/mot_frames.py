"""Which picture belongs to which frame number of a MOTChallenge ``gt.txt``.

MOTChallenge's own sets call the first picture ``000001.jpg`` and frame 1. Other tools write names of another width and
with a prefix, count pictures from 0, or both pictures and frames.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from personsearch.datasets.formats.ledger import ProblemError
from personsearch.datasets.formats.texts import children_of, is_picture

#: The last number in a picture's name: ``frame_000012`` -> 12.
_LAST_NUMBER = re.compile(r"([0-9]+)[^0-9]*$")


@dataclass(frozen=True)
class Pictures:
    """The pictures of a sequence.

    Attributes:
        folder: where they are.
        names: number in its name -> name of the picture, by rising number.
        plain: whether the names are numbers and nothing else.
        passed_over: names of pictures without a frame's number.
    """

    folder: Path
    names: Mapping[int, str]
    plain: bool
    passed_over: tuple[str, ...]

    def name_of(self, number: int, suffix: str) -> str:
        """Return what the picture of a number would be called."""
        if not self.names:
            return f"{number:06d}{suffix}"
        first = next(iter(self.names.values()))
        match = _LAST_NUMBER.search(Path(first).stem)
        width = len(match.group(1)) if match else 6
        start = match.start(1) if match else 0
        return f"{first[:start]}{number:0{width}d}{first[start + width :]}"


def image_folder(sequence: Path) -> str:
    """Return the name of the folder of pictures where no ``seqinfo.ini`` says it: img1, images, or the only one."""
    below = [child for child in children_of(sequence) if child.is_dir() and child.name != "gt"]
    for name in ("img1", "images"):
        if any(child.name == name for child in below):
            return name
    with_pictures = [child.name for child in below if any(is_picture(file) for file in children_of(child))]
    return with_pictures[0] if len(with_pictures) == 1 else "img1"


def pictures_in(folder: Path, suffix: str | None) -> Pictures:
    """List the pictures of a sequence.

    Args:
        folder: of the pictures.
        suffix: that of ``imExt``, which decides between pictures of several suffixes; None = not known.

    Raises:
        ProblemError: two pictures have the same number.
    """
    files = [path for path in children_of(folder) if is_picture(path)]
    wanted = [path for path in files if suffix is not None and path.suffix.lower() == suffix.lower()] or files
    plain = [path for path in wanted if path.stem.isascii() and path.stem.isdigit()]
    chosen = plain or [path for path in wanted if _LAST_NUMBER.search(path.stem)]
    numbers: dict[int, str] = {}
    for path in chosen:
        match = _LAST_NUMBER.search(path.stem)
        number = int(match.group(1)) if match else 0
        if number in numbers:
            raise ProblemError(
                folder, f"{numbers[number]} and {path.name} have the same number; a frame has one picture"
            )
        numbers[number] = path.name
    left = set(files) - set(chosen)
    return Pictures(folder, dict(sorted(numbers.items())), bool(plain), tuple(sorted(path.name for path in left)))


def numbers_of_frames(
    pictures: Pictures, frames: Iterable[int], *, first: int | None, length: int | None, exported: bool
) -> dict[int, int]:
    """Map the frame numbers of ``gt.txt`` to the numbers in the names of the pictures.

    Either a frame has the number of its picture, or frames count the pictures from 1. Where both are possible and
    differ, nothing is guessed.

    Args:
        pictures: not empty.
        frames: that ``gt.txt`` uses.
        first: the frame number of the first picture, if ``seqinfo.ini`` says so.
        length: number of frames, if ``seqinfo.ini`` says so.
        exported: CVAT's export: it keeps the number of a name that is a number, and counts all others from 1.

    Raises:
        ValueError: it is unclear which picture a frame is.
    """
    numbers, used = list(pictures.names), set(frames)
    by_number = {number: number for number in numbers}
    steps = {after - before for before, after in pairwise(numbers)}
    # A missing picture also leaves a gap, so every n-th picture counts as a sequence only where a name says more.
    regular = steps <= {1} or (len(steps) == 1 and len(numbers) > 2 and not pictures.plain)
    if first is not None:
        if regular:
            return {first + place: number for place, number in enumerate(numbers)}
        return {first + number - numbers[0]: number for number in numbers}
    by_place = dict(enumerate(numbers, 1))
    if by_place == by_number or not (regular or exported) or length not in (None, len(numbers)):
        return by_number
    fit = len(used & by_number.keys()) - len(used & by_place.keys())
    if fit or all(by_number.get(frame) == by_place.get(frame) for frame in used):
        return by_number if fit >= 0 else by_place
    if exported:
        return by_number if pictures.plain else by_place
    raise ValueError(
        f"frames {min(used)} to {max(used)} may be the numbers of the pictures, {numbers[0]} to {numbers[-1]}, or "
        f"count them from 1; say which in seqinfo.ini with firstFrame={numbers[0]} or firstFrame=1"
    )


def frames_to_read(table: Mapping[int, int], length: int | None) -> list[int]:
    """Return the frames of a sequence in order: those with a picture, or as many as ``seqinfo.ini`` says.

    Args:
        table: frame -> number of its picture, not empty.
        length: number of frames, if known; a frame without a picture is listed then, too.
    """
    if length is None or length == len(table):
        return sorted(table)
    first = min(table)
    start = 1 if 1 <= first <= length else first
    return list(range(start, start + length))
