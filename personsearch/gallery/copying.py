"""Copying a gallery into another store: from a folder to an engine that many machines share, back, or onwards."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from personsearch.batching import chunks
from personsearch.errors import GalleryError
from personsearch.gallery.checks import check_spec
from personsearch.gallery.copying_rest import carry_rest, counts_of_rest
from personsearch.gallery.rows import EMBEDDING, content_digest
from personsearch.gallery.stores.folder import FolderStore
from personsearch.gallery.stores.opening import is_address, open_store
from personsearch.gallery.stores.protocol import Incoming, SceneStore
from personsearch.progress import Progress
from personsearch.results import Spec

#: Scenes that are worth one write at least, and one comparison.
AT_ONCE = 256
#: Scenes that a report names; the others are counted.
LISTED = 1000


@dataclass(frozen=True, kw_only=True)
class CopyReport:
    """What copying a gallery did, and how the two compare afterwards.

    Attributes:
        scenes: how many scenes the source has.
        people: how many people they show.
        copied: scenes that were stored in the destination now.
        there: scenes that were there before with the same content.
        labelled: scenes that were there, and have the source's camera and time now.
        num_refused: scenes whose name the destination has with other content, which was left as it is.
        refused: their image_ids, the first 1,000 of them.
        num_differences: how many differences were found when every scene and person was compared afterwards, bit for
            bit; 0 = the destination holds all that the source does. Refused scenes are among them.
        differences: what differs, the first 1,000 of them.
        only_there: scenes of the destination that the source lacks; they were left as they are.
        carried: tracks, people, decisions and notes that the destination has as the source has them.
        left_behind: those that it has not.
    """

    scenes: int
    people: int
    copied: int
    there: int
    labelled: int
    num_refused: int
    refused: tuple[str, ...]
    num_differences: int
    differences: tuple[str, ...]
    only_there: int
    carried: Mapping[str, int] = field(default_factory=dict)
    left_behind: Mapping[str, int] = field(default_factory=dict)


def copy(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    verify_only: bool = False,
    progress: bool | None = None,
) -> CopyReport:
    """Copy a gallery into another store, and compare the two afterwards, every scene and person bit for bit.

    Copying again continues where it was interrupted, and brings the destination up to date: what is there with the same
    content is skipped, and a scene that has another camera or time gets the source's, if the source knows one. Other
    content under the same name is left as it is and reported. Scenes of the destination that the source lacks stay.
    People keep everything but their detection_ids. The scenes are worked on some hundreds at a time, however many
    there are.

    Tracks, people, decisions and notes exist in folders only. From a folder to a folder they are carried over if the
    destination has none yet, with the ids of tracks, people and decisions.

    Args:
        source: the folder or address of a gallery. Nobody should erase or replace scenes of it meanwhile; what is added
            to it is found by the next copy.
        destination: another folder or address; a gallery for the same weights is made where there is none.
        verify_only: compare, and write nothing.
        progress: show a bar; None = on a terminal, False = never.

    Returns:
        What was done, and every difference.

    Example:
        >>> personsearch.gallery.copy("gallery", "another", progress=False).differences
        ()

    Raises:
        GalleryError: there is no gallery at the source, or both are the same one.
        GalleryMismatchError: the destination holds embeddings of other weights.
        GalleryCorruptError: one of them is damaged.
    """
    if _place(source) == _place(destination):
        raise GalleryError(f"{os.fspath(source)}: is to be copied onto itself; name another folder or address")
    with (
        _opened(source, write=False, spec=None) as one,
        _opened(destination, write=not verify_only, spec=None if verify_only else one.spec) as other,
    ):
        check_spec(other.name, other.spec, one.spec)
        return copy_stores(one, other, verify_only=verify_only, progress=progress)


def copy_stores(
    source: SceneStore, destination: SceneStore, *, verify_only: bool = False, progress: bool | None = None
) -> CopyReport:
    """Copy what one store holds into another for the same weights; see :func:`copy`."""
    counts = _Counts()
    if not verify_only:
        with Progress(source.counts()[0], label="copying scenes", shown=progress) as bar:
            for scenes in chunks(source.everything(), max(destination.scenes_at_once, AT_ONCE)):
                counts.put(scenes, destination)
                bar.advance(len(scenes))
    ids: dict[int, int] = {}
    rest = counts_of_rest(source.database) if isinstance(source, FolderStore) else {}
    with Progress(source.counts()[0], label="comparing scenes", shown=progress) as bar:
        for scenes in chunks(source.everything(), AT_ONCE):
            same = counts.compare(scenes, destination)
            if rest and isinstance(source, FolderStore) and isinstance(destination, FolderStore):
                ids.update(_numbers(source, destination, same))
            bar.advance(len(scenes))
    carried: Mapping[str, int] = {}
    if isinstance(source, FolderStore) and isinstance(destination, FolderStore) and rest:
        whole = counts.same == counts.scenes
        carried = carry_rest(source.database, destination.database, ids, whole=whole, write=not verify_only)
        if carried != rest:
            counts.differ("its tracks, people, decisions and notes are not all as in the source")
    return CopyReport(
        scenes=counts.scenes,
        people=counts.people,
        copied=counts.copied,
        there=counts.there,
        labelled=counts.labelled,
        num_refused=counts.num_refused,
        refused=tuple(counts.refused),
        num_differences=counts.num_differences,
        differences=tuple(counts.differences),
        only_there=max(destination.counts()[0] - counts.found, 0),  # others may erase meanwhile
        carried=carried,
        left_behind={what: count - carried.get(what, 0) for what, count in rest.items() if carried.get(what) != count},
    )


@contextmanager
def _opened(gallery: str | os.PathLike[str], *, write: bool, spec: Spec | None) -> Iterator[SceneStore]:
    store = open_store(gallery, write=write, spec=spec)
    done = False
    try:
        yield store
        done = True
    finally:
        store.close(save=done)  # on Ctrl-C, be quick


class _Counts:
    """What has been done and found so far."""

    def __init__(self) -> None:
        self.scenes = self.people = self.copied = self.there = self.labelled = 0
        self.found = self.same = self.num_refused = self.num_differences = 0
        self.refused: list[str] = []
        self.differences: list[str] = []

    def put(self, scenes: list[Incoming], destination: SceneStore) -> None:
        """Store scenes in the destination, and give those that are there the source's camera and time."""
        outcomes = dict(zip((one.row.image_id for one in scenes), destination.put(scenes, replace=False), strict=True))
        differing = [one for one in scenes if outcomes[one.row.image_id] == "differs"]
        stored = destination.scenes([one.row.image_id for one in differing]) if differing else {}
        for one in differing:
            name = one.row.image_id
            if name in stored and _is_relabelled(one, stored[name]):
                destination.relabel(name, one.row.camera, one.row.time)
                self.labelled += 1
            else:
                self.num_refused += 1
                self.refused += [name] * (len(self.refused) < LISTED)
        self.copied += sum(one == "stored" for one in outcomes.values())
        self.there += sum(one == "there" for one in outcomes.values())

    def compare(self, scenes: list[Incoming], destination: SceneStore) -> list[str]:
        """Compare scenes with the destination's, and return the ids of those that are the same."""
        stored = destination.scenes([one.row.image_id for one in scenes])
        same = []
        for one in scenes:
            other = stored.get(one.row.image_id)
            what = difference(one, other)
            if what is None:
                same.append(one.row.image_id)
            else:
                self.differ(f"{one.row.image_id}: {what}")
        self.scenes += len(scenes)
        self.people += sum(len(one.detections) for one in scenes)
        self.found += len(stored)
        self.same += len(same)
        return same

    def differ(self, what: str) -> None:
        """Count a difference."""
        self.num_differences += 1
        self.differences += [what] * (len(self.differences) < LISTED)


def difference(source: Incoming, destination: Incoming | None) -> str | None:
    """Say in words how a scene differs from the one that it was copied to; None where both are the same, bit for bit.

    Args:
        source: as one store holds it.
        destination: as the other does; None = it has no such scene.
    """
    if destination is None:
        return "is not there"
    one, other = source.row, destination.row
    differing = [
        f"{what} {mine!r} there {theirs!r}"
        for what, mine, theirs in (
            ("camera", one.camera, other.camera),
            ("time", one.time, other.time),
            ("size", (one.width, one.height), (other.width, other.height)),
            ("extra", json.loads(one.extra), json.loads(other.extra)),
            ("number of people", len(source.detections), len(destination.detections)),
        )
        if mine != theirs
    ]
    if len(source.detections) == len(destination.detections):
        for what, mine, theirs in zip(("box", "score", "embedding"), _bits(source), _bits(destination), strict=True):
            rows = [number for number, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b]
            if rows:
                differing.append(f"another {what} of person {', '.join(map(str, rows))}")
    if not differing and not one.digest == other.digest == _digest(source):
        differing.append("a damaged checksum; personsearch gallery check says in which of the two")
    return ", ".join(differing) or None


def _is_relabelled(one: Incoming, other: Incoming) -> bool:
    """Whether a scene has become the other, or can, by being given the first one's camera and time."""
    mine, theirs = one.row, other.row
    return (
        (mine.width, mine.height, mine.extra) == (theirs.width, theirs.height, theirs.extra)
        and _bits(one) == _bits(other)
        and (mine.camera is not None or theirs.camera is None)
        and (mine.time is not None or theirs.time is None)
    )


def _bits(scene: Incoming) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Return the boxes, scores and embeddings of a scene's people as they are stored."""
    people = scene.detections
    # + 0.0, as stores keep -0.0 as 0.0.
    arrays = (people.boxes + 0.0, (people.scores + 0.0)[:, None], people.embeddings.astype(EMBEDDING))
    boxes, scores, embeddings = ([np.ascontiguousarray(row).tobytes() for row in array] for array in arrays)
    return boxes, scores, embeddings


def _digest(scene: Incoming) -> bytes:
    return content_digest(scene.detections, scene.row.camera, scene.row.time, scene.row.extra)


def _numbers(source: FolderStore, destination: FolderStore, image_ids: Collection[str]) -> Iterable[tuple[int, int]]:
    """Return the detection_ids of scenes that are the same in both, as pairs."""
    mine, theirs = source.database.people_in(list(image_ids)), destination.database.people_in(list(image_ids))
    return [pair for name, rows in mine.items() for pair in zip(rows, theirs.get(name, []), strict=False)]


def _place(gallery: str | os.PathLike[str]) -> str:
    """Return what two names of the same gallery have in common, as far as names can say it."""
    return os.fspath(gallery).rstrip("/") if is_address(gallery) else str(Path(gallery).resolve())
