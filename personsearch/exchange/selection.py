"""Which scenes of a gallery are exported, in the order of their times, and who is stored of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from personsearch.errors import GalleryError
from personsearch.exchange.records import ChosenScene, Selection
from personsearch.gallery import Gallery
from personsearch.people import TRACKS
from personsearch.pictures.video import video_of
from personsearch.results import Sighting, StoredScene

#: Scenes whose people are read together.
CHUNK = 500


def chosen(gallery: Gallery, selection: Selection) -> list[ChosenScene]:
    """Return the scenes of a gallery that a selection names, by time, with their people.

    Args:
        gallery: open in any mode.
        selection: see :class:`~personsearch.exchange.records.Selection`.

    Raises:
        GalleryError: nobody has one of the person_ids, or ``every`` or ``limit`` is below 1.
    """
    for name, value in (("every", selection.every), ("limit", selection.limit)):
        if value is not None and value < 1:
            raise GalleryError(f"{name} must be at least 1, got {value}")
    for number in selection.persons or ():
        if gallery.people.get(number) is None:
            raise GalleryError(
                f"{gallery.path}: there is no person {number} here; 'personsearch people {gallery.path}' lists who "
                "there is"
            )
    scenes = gallery.scenes.page(
        cameras=selection.cameras,
        since=selection.since,
        until=selection.until,
        limit=max(1, gallery.num_images),
        newest_first=False,
    )
    found: list[ChosenScene] = []
    for start in range(0, len(scenes), CHUNK):
        chunk = scenes[start : start + CHUNK]
        people = gallery.scenes.people([scene.image_id for scene in chunk])
        found += [_chosen(scene, there) for scene, there in zip(chunk, people, strict=True)]
    wanted = None if selection.persons is None else set(selection.persons)
    kept = [
        one
        for one in found
        if (one.people or selection.empty) and (wanted is None or wanted & {person.person_id for person in one.people})
    ]
    return spread(_every(kept, selection.every), selection.limit)


def _chosen(scene: StoredScene, people: Sequence[Sighting]) -> ChosenScene:
    partial = bool(scene.extra.get(TRACKS)) or any(person.track is not None for person in people)
    return ChosenScene(scene=scene, people=tuple(people), partial=partial)


def _every(scenes: Sequence[ChosenScene], every: int) -> list[ChosenScene]:
    """Return every so many scenes of each camera; frames of an unknown camera count by their video."""
    seen: Counter[tuple[str | None, str | None]] = Counter()
    kept = []
    for one in scenes:
        key = (one.scene.camera, None if one.scene.camera is not None else video_of(one.scene.image_id))
        if seen[key] % every == 0:
            kept.append(one)
        seen[key] += 1
    return kept


def spread(scenes: Sequence[ChosenScene], limit: int | None) -> list[ChosenScene]:
    """Return so many scenes at most, spread evenly, the first one among them."""
    if limit is None or len(scenes) <= limit:
        return list(scenes)
    return [scenes[number * len(scenes) // limit] for number in range(limit)]
