"""A data set as protocols and training read it: scenes, queries, and what became of every row of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from personsearch.datasets.scene import Query, Scene


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something in a set's files that cannot be used.

    Attributes:
        file: path of the file.
        row: which row of it, in the file's own terms ("annotation 17", "line 3"); "" = the file as a whole.
        what: what is wrong.
    """

    file: str
    row: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}{': ' * bool(self.row)}{self.row}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """What became of every row that describes a person: ``rows == kept + sum(dropped.values()) + len(skipped)``.

    A file that is skipped as a whole, and a row that describes no box of a scene (an image, a query), count as one.

    Attributes:
        rows: read from the files.
        kept: boxes of the scenes.
        changed: what was changed about boxes that were kept -> how many ("clipped to the image", "identity repeated in
            one image, kept without a label").
        dropped: why boxes are left out, by the rules of the format -> how many.
        skipped: malformed rows and files that ``skip_bad`` passed over.
    """

    rows: int
    kept: int
    changed: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[Problem, ...] = ()

    def lines(self) -> list[str]:
        """Return a sentence for each thing that was changed, dropped or skipped; none where all rows are kept as is."""
        told = [f"{count:,} of {self.rows:,} boxes: {what}" for what, count in self.changed.items()]
        told += [f"{count:,} of {self.rows:,} boxes left out: {why}" for why, count in self.dropped.items()]
        return told + [f"passed over: {problem}" for problem in self.skipped]


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """One split of a set.

    Attributes:
        name: how figures of it are labelled, e.g. ``prw/test``.
        scenes: in a fixed order; the gallery of queries that have no list of their own.
        queries: whom to look for; empty for a training split.
        accounting: what became of every row.
    """

    name: str
    scenes: tuple[Scene, ...]
    queries: tuple[Query, ...] = ()
    accounting: Accounting

    @cached_property
    def digest(self) -> str:
        """Sha256, 64 hex digits, of all that an evaluation reads of the annotations (not of the pictures)."""
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
        for query in self.queries:
            add(query.image_id, query.identity, None if query.gallery is None else query.gallery.image_ids)
            add_array(query.box)
            if query.gallery is not None:
                add_array(query.gallery.boxes)
        return digest.hexdigest()
