"""The records that the parts of an export hand each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from personsearch.results import Sighting, StoredScene

#: What an export is written for.
Format: TypeAlias = Literal["coco", "cvat", "label-studio"]
#: Folder of the pictures in an export.
IMAGES = "images"
#: The label of a person, and that of a region that counts neither way.
PERSON, IGNORE = "person", "ignore"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which scenes of a gallery to export.

    Attributes:
        cameras: only scenes of these; None = all.
        since: only scenes at this time (seconds) or later.
        until: only scenes at this time or earlier.
        persons: only scenes with one of these people of the gallery (person_ids); all who are in them are exported.
        every: of each camera, every how many of these scenes one is taken; 1 = all.
        limit: scenes at most, spread evenly over those that are left; None = all.
        empty: also scenes in which nobody is stored.
    """

    cameras: Sequence[str] | None = None
    since: float | None = None
    until: float | None = None
    persons: Sequence[int] | None = None
    every: int = 1
    limit: int | None = None
    empty: bool = False


@dataclass(frozen=True, kw_only=True)
class ChosenScene:
    """A scene that is to be exported.

    Attributes:
        scene: as stored.
        people: who is stored of it.
        partial: whether only views of tracks are stored of it, so that others in the picture may be missing.
    """

    scene: StoredScene
    people: tuple[Sighting, ...]
    partial: bool


@dataclass(frozen=True, kw_only=True)
class ExportedPerson:
    """A box of an export.

    Attributes:
        box: x1, y1, x2, y2 in pixels of the exported picture.
        score: detector confidence 0..1.
        person_id: of the gallery's person; None = a person without a label.
        name: of that person, if one was given.
        track_id: of the track that this is a view of, if any.
        detection_id: of the stored row; None = found by the network now.
    """

    box: tuple[float, float, float, float]
    score: float
    person_id: int | None = None
    name: str | None = None
    track_id: int | None = None
    detection_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class ExportedScene:
    """A picture of an export, with its boxes.

    Attributes:
        image_id: of the scene in the gallery.
        file_name: of the picture in the folder of pictures.
        width: of the exported picture, pixels.
        height: of the exported picture, pixels.
        camera: the camera, if known.
        time: seconds, if known.
        people: the boxes.
    """

    image_id: str
    file_name: str
    width: int
    height: int
    camera: str | None
    time: float | None
    people: tuple[ExportedPerson, ...]


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What an export wrote, and what it could not.

    Attributes:
        folder: where it is.
        files: annotations and what a tool needs beside them; the first one is what is read or imported.
        scenes: pictures exported.
        boxes: in them.
        labelled: how many of the boxes say who it is.
        persons: how many different people of the gallery they are.
        added: how many of the boxes the network found now, because only views of tracks were stored.
        recognised: how many of those have a label: that of a track that passes there at that moment.
        partial: scenes of which only views of tracks are stored and the network was not asked: people are missing.
        failed: (image_id, reason) of scenes whose pictures cannot be had.
        splits: split -> scenes, people with a label, labels taken away; only where a test split was asked for.
    """

    folder: Path
    files: tuple[Path, ...]
    scenes: int
    boxes: int
    labelled: int
    persons: int
    added: int = 0
    recognised: int = 0
    partial: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    splits: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
