"""A data set as protocols and training see it: scenes, queries, and what became of every row of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from personsearch.datasets.scene import Query, Scene

#: The rule that leaves out the boxes of a scene that cannot be used; the scene itself is a problem.
UNUSABLE = "image cannot be used"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something in a set's files that cannot be used.

    Attributes:
        file: path of the file.
        row: the row, in the file's own terms ("annotation 17", "line 3"); "" = the file as a whole.
        what: what is wrong with it.
    """

    file: str
    row: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}{': ' * bool(self.row)}{self.row}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """What became of every row that describes a person: ``rows == kept + sum(dropped.values()) + len(skipped)``.

    A file that is skipped as a whole counts as one row; so does a malformed row that describes no box of a scene (an
    image, a query).

    Attributes:
        rows: number of rows read.
        kept: number of boxes in the scenes.
        changed: a change to boxes that were kept ("clipped to the image", "identity repeated in one image, kept without
            a label") -> how many.
        dropped: a rule of the format that leaves boxes out -> how many.
        skipped: malformed rows and files that ``skip_bad`` skipped.
    """

    rows: int
    kept: int
    changed: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[Problem, ...] = ()

    def lines(self) -> list[str]:
        """Return a line for each kind of change and rule, and for each skipped row; none if all rows are kept as is."""
        lines = [f"{count:,} of {self.rows:,} boxes: {what}" for what, count in self.changed.items()]
        lines += [f"{count:,} of {self.rows:,} boxes left out: {why}" for why, count in self.dropped.items()]
        return lines + [f"skipped: {problem}" for problem in self.skipped]


def why_empty(scenes: int, accounting: Accounting) -> str:
    """Say why nothing of a set is left to work with; "" if something is, or if its scenes show nobody.

    Args:
        scenes: number of scenes.
        accounting: what became of every row.
    """
    rules = {why: count for why, count in accounting.dropped.items() if why != UNUSABLE}
    reasons = [f"{count:,} {why}" for why, count in rules.items()]
    if not scenes:
        if accounting.skipped:
            reasons.append(f"{len(accounting.skipped):,} malformed, the first: {accounting.skipped[0]}")
        return f"has no scene that can be used: {'; '.join(reasons) or 'it has no images'}"
    if accounting.kept or not rules:
        return ""
    return f"all {sum(rules.values()):,} boxes were left out: {'; '.join(reasons)}"


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """One split of a set.

    Attributes:
        name: stands beside its figures, e.g. ``prw/test``.
        scenes: in a fixed order; the gallery of queries that have no list of their own.
        queries: people to search for; empty for a training split.
        accounting: what became of every row.
        crops: whether each scene is a picture of one person, cut out beforehand (Market-1501), so that there is nobody
            to detect.
    """

    name: str
    scenes: tuple[Scene, ...]
    queries: tuple[Query, ...] = ()
    accounting: Accounting
    crops: bool = False

    @cached_property
    def digest(self) -> str:
        """Sha256, 64 hex digits, of everything in the annotations that an evaluation uses; the images are not read."""
        digest = hashlib.sha256()

        def add(*values: object) -> None:
            digest.update(repr(values).encode())

        def add_array(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
            add(str(array.dtype), array.shape)
            digest.update(np.ascontiguousarray(array).tobytes())

        for scene in self.scenes:
            add(scene.image_id, scene.width, scene.height, scene.camera, scene.time)
            for array in (scene.boxes, scene.identities, scene.ignore):
                add_array(array)
            if scene.repeated:  # few sets have any, and the digest of those that have none stays what it was
                add(scene.repeated)
        for query in self.queries:
            add(query.image_id, query.identity, None if query.gallery is None else query.gallery.image_ids)
            add_array(query.box)
            if query.gallery is not None:
                add_array(query.gallery.boxes)
        return digest.hexdigest()
