"""``export_gallery``: scenes of a gallery with their people, as a folder that a tool or training reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeAlias, get_args

from PIL import Image

from personsearch.errors import ConfigError, ImageError
from personsearch.exchange.coco import as_json, coco_file
from personsearch.exchange.cvat import cvat_labels, cvat_xml
from personsearch.exchange.everybody import newcomers, with_everybody
from personsearch.exchange.folder import ExportFolder
from personsearch.exchange.label_studio import LABELLING, label_studio_tasks
from personsearch.exchange.names import picture_stem
from personsearch.exchange.passing import Passing, passing_tracks, recognised
from personsearch.exchange.pictures import Original, encoded, originals
from personsearch.exchange.records import (
    ChosenScene,
    ExportedPerson,
    ExportedScene,
    ExportReport,
    Format,
    Selection,
)
from personsearch.exchange.selection import chosen
from personsearch.exchange.split import queries_of, split_people
from personsearch.gallery import Gallery
from personsearch.pictures.video import frame_of
from personsearch.progress import Progress
from personsearch.results import Detections

#: Finds everybody in some pictures (upright RGB), as ``PersonSearcher.detect`` does.
Detect: TypeAlias = Callable[[list[Image.Image]], Sequence[Detections]]

FORMATS: tuple[str, ...] = get_args(Format)
#: Scenes whose pictures are held in memory together.
CHUNK = 16
#: Least pixels of the longer side of a picture.
SMALLEST = 64


def export_gallery(
    gallery: Gallery,
    out: str | os.PathLike[str],
    *,
    format: Format = "coco",
    selection: Selection | None = None,
    max_side: int | None = None,
    test_share: float = 0.0,
    detect: Detect | None = None,
    progress: bool | None = None,
) -> ExportReport:
    """Write scenes of a gallery, with their people as boxes and who they are taken for, into a new folder.

    Pictures are copied, or cut out of their videos. The same call again continues an export that was interrupted; one
    that is finished is never written over.

    Args:
        gallery: open in any mode; its people have been grouped (``gallery.people.group()``), or nobody has a label.
        out: a folder that is new, empty or holds the beginning of this export.
        format: ``"coco"`` for ``load_dataset`` and training, ``"cvat"`` or ``"label-studio"`` to be corrected there.
        selection: which scenes; None = all in which somebody is stored.
        max_side: pixels of the longer side of a picture at most; boxes are scaled with it. None = as it is.
        test_share: share of the scenes for a test split, 0 to below 1 (``"coco"`` only); see
            :func:`~personsearch.exchange.split.split_people`.
        detect: ``searcher.detect``, or what works like it. It is given the pictures of which only views of tracks are
            stored, so that the others in them have boxes too: with the label of the track that passes there at that
            moment and looks like them, or without one. None = they stay without a box, which teaches a detector to
            overlook people.
        progress: None = a bar on a terminal.

    Returns:
        What was written, and which scenes could not be because their pictures are gone.

    Raises:
        ConfigError: a value is out of range, no scene is chosen, or the folder holds something else.
        GalleryError: the selection names somebody who is not there.
        ImageError: not one picture can be had.
        OSError: the disk is full or refuses; the same call continues later.

    Example:
        >>> gallery.people.group(min_similarity=0.7).people > 0
        True
        >>> report = export_gallery(gallery, "corrected-later", format="coco")
        >>> report.scenes, report.files[0].name, report.failed
        (1, 'train.json', ())
        >>> from personsearch.datasets import load_dataset
        >>> [scene.camera for scene in load_dataset("corrected-later", split="train").scenes]
        ['door']
    """
    folder, selection = Path(out), selection or Selection()
    _check(gallery, folder, format, max_side, test_share)
    scenes = chosen(gallery, selection)
    if not scenes:
        raise ConfigError(f"{gallery.path}: no scene with people is left by these filters; there is nothing to export")
    if test_share and len({one.person_id for scene in scenes for one in scene.people} - {None}) < 2:
        raise ConfigError(
            f"{gallery.path}: a test split needs two people at least; group them first ('personsearch people "
            f"{gallery.path}'), or leave test_share (--test-share) out"
        )
    manifest = {
        "what": "personsearch gallery export",
        "gallery": str(gallery.path.resolve()),
        "weights": gallery.spec.fingerprint,
        "format": format,
        "selection": asdict(selection),
        "max_side": max_side,
        "test_share": test_share,
        "detect": detect is not None,
    }
    target = ExportFolder(folder, manifest)
    tracks = passing_tracks(gallery) if detect is not None else []
    exported, failed = _write_pictures(target, scenes, max_side, detect, tracks, progress)
    if not exported:
        reason = failed[0][1]
        raise ImageError(f"{gallery.path}: not one of the {len(scenes)} pictures can be had; the first: {reason}")
    files, splits = _annotations(exported, format, gallery.spec.name, folder.name, test_share)
    people = [person for scene in exported for person in scene.people]
    labelled = [person.person_id for person in people if person.person_id is not None]
    new = [person for person in people if person.detection_id is None]
    gone = {image_id for image_id, _ in failed}
    report = ExportReport(
        folder=folder,
        files=tuple(folder / name for name in files),
        scenes=len(exported),
        boxes=len(people),
        labelled=len(labelled),
        persons=len(set(labelled)),
        added=len(new),
        recognised=sum(person.person_id is not None for person in new),
        partial=0 if detect is not None else sum(one.partial and one.scene.image_id not in gone for one in scenes),
        failed=tuple(failed),
        splits=splits,
    )
    counts = {name: getattr(report, name) for name in ("scenes", "boxes", "labelled", "persons", "failed")}
    target.finish(files, counts)
    return report


def _check(gallery: Gallery, folder: Path, format: str, max_side: int | None, test_share: float) -> None:
    if format not in FORMATS:
        raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    if max_side is not None and max_side < SMALLEST:
        raise ConfigError(f"max_side must be at least {SMALLEST} pixels, got {max_side}")
    if not 0 <= test_share < 1:
        raise ConfigError(f"test_share must be from 0 to below 1, got {test_share}")
    if test_share and format != "coco":
        raise ConfigError(
            f"test_share is for coco: corrections change who is whom, so split after them; for {format}, export two "
            "stretches of time (since, until) into two folders"
        )
    inside, own = folder.resolve(), gallery.path.resolve()
    if inside == own or own in inside.parents:
        raise ConfigError(f"{folder}: is in the gallery itself; name a folder elsewhere")


def _write_pictures(
    target: ExportFolder,
    scenes: Sequence[ChosenScene],
    max_side: int | None,
    detect: Detect | None,
    tracks: Sequence[Passing],
    progress: bool | None,
) -> tuple[list[ExportedScene], list[tuple[str, str]]]:
    """Write the pictures that are not there yet; return the scenes in their order, and what failed."""
    stems = [picture_stem(one.scene, max_side) for one in scenes]
    done: dict[int, dict[str, Any]] = {
        number: target.done[stem] for number, stem in enumerate(stems) if stem in target.done
    }
    by_stem = dict(zip(stems, scenes, strict=True))
    failed: dict[int, str] = {}
    waiting = sorted((number for number in range(len(scenes)) if number not in done), key=lambda n: _place(scenes[n]))
    with Progress(total=len(scenes), done=len(done), label="export", shown=progress) as bar:
        for start in range(0, len(waiting), CHUNK):
            chunk = waiting[start : start + CHUNK]
            found = originals([scenes[number].scene for number in chunk])
            written: list[tuple[dict[str, Any], bytes]] = []
            looked_at: list[tuple[int, Image.Image]] = []
            for number, original in zip(chunk, found, strict=True):
                scene = scenes[number]
                try:
                    if isinstance(original, ImageError):
                        raise original
                    if detect is not None and scene.partial:
                        picture = original.load()
                        original = Original(_same(picture), original.file, original.path)
                        looked_at.append((len(written), picture))
                    picture_file = encoded(original, scene.scene.image_size, max_side)
                except ImageError as error:
                    failed[number] = str(error)
                    looked_at = [one for one in looked_at if one[0] != len(written)]
                    continue
                name = stems[number] + picture_file.suffix
                done[number] = {"stem": stems[number], "file": name, "size": picture_file.size}
                written.append((done[number], picture_file.data))
            if detect is not None and looked_at:
                seen = detect([picture for _, picture in looked_at])
                for (row, _), people in zip(looked_at, seen, strict=True):
                    note = written[row][0]
                    note["found"] = _found(by_stem[note["stem"]], people, tracks)
            target.write(written)
            for _ in chunk:
                bar.advance()
    persons = {track.track_id: track for track in tracks}
    exported = [_exported(scenes[number], done[number], persons) for number in range(len(scenes)) if number in done]
    return exported, [(scenes[number].scene.image_id, failed[number]) for number in sorted(failed)]


def _found(one: ChosenScene, people: Detections, tracks: Sequence[Passing]) -> list[list[Any]]:
    """Return box, score and track_id (None = unknown) of the people found in a scene who are not stored in it."""
    rows = newcomers([person.box for person in one.people], people.boxes.tolist())
    present = [person.person_id for person in one.people]
    who = recognised(one.scene, people.embeddings[rows], tracks, present)
    boxes, scores = people.boxes[rows].tolist(), people.scores[rows].tolist()
    return [list(found) for found in zip(boxes, scores, who, strict=True)]


def _same(picture: Image.Image) -> Callable[[], Image.Image]:
    return lambda: picture


def _place(one: ChosenScene) -> tuple[str, float, int]:
    """Return by what scenes are ordered so that the frames of a video are read together."""
    seconds, repeat = frame_of(one.scene.image_id) or (0.0, 0)
    return str(one.scene.extra.get("path")), seconds, repeat


def _exported(one: ChosenScene, note: dict[str, Any], tracks: Mapping[int, Passing]) -> ExportedScene:
    """Return a scene whose picture is written, with its boxes in pixels of that picture."""
    people: tuple[ExportedPerson, ...] = tuple(
        ExportedPerson(
            box=person.box,
            score=person.score,
            person_id=person.person_id,
            name=person.person_name,
            track_id=None if person.track is None else person.track.track_id,
            detection_id=person.detection_id,
        )
        for person in one.people
    )
    people = with_everybody(people, [_new(*found, tracks=tracks) for found in note.get("found", ())])
    scene = one.scene
    (height, width), size = scene.image_size, note["size"]
    if list(size) != [width, height]:
        scale = (size[0] / width, size[1] / height)
        people = tuple(_scaled(person, scale) for person in people)
    return ExportedScene(
        image_id=scene.image_id,
        file_name=note["file"],
        width=size[0],
        height=size[1],
        camera=scene.camera,
        time=scene.time,
        people=people,
    )


def _new(box: Sequence[float], score: float, track_id: int | None, *, tracks: Mapping[int, Passing]) -> ExportedPerson:
    x1, y1, x2, y2 = box
    track = None if track_id is None else tracks.get(track_id)  # gone since an export began
    if track is None:
        return ExportedPerson(box=(x1, y1, x2, y2), score=score)
    return ExportedPerson(
        box=(x1, y1, x2, y2), score=score, person_id=track.person_id, name=track.name, track_id=track.track_id
    )


def _scaled(person: ExportedPerson, scale: tuple[float, float]) -> ExportedPerson:
    x1, y1, x2, y2 = person.box
    return replace(person, box=(x1 * scale[0], y1 * scale[1], x2 * scale[0], y2 * scale[1]))


def _annotations(
    scenes: Sequence[ExportedScene], format: str, weights: str, name: str, test_share: float
) -> tuple[dict[str, bytes], dict[str, tuple[int, int, int]]]:
    """Return the files of an export by name, and the counts of its splits."""
    if format == "cvat":
        return {"annotations.xml": cvat_xml(scenes, name), "labels.json": as_json(cvat_labels())}, {}
    if format == "label-studio":
        tasks = as_json(label_studio_tasks(scenes, weights))
        return {"tasks.json": tasks, "labelling.xml": LABELLING.encode()}, {}
    if not test_share:
        return {"train.json": as_json(coco_file(scenes))}, {}
    split = split_people(scenes, test_share)
    train, test = coco_file(split.train), coco_file(split.test)
    files = {"train.json": as_json(train), "test.json": as_json(test), "queries.json": as_json(queries_of(test))}
    known = {one.person_id for scene in split.train for one in scene.people if one.person_id is not None}
    counts = {
        "train": (len(split.train), len(known), 0),
        "test": (len(split.test), len(split.persons), split.unlabelled),
    }
    return files, counts
