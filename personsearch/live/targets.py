"""Who is looked for: people of the gallery, followed through merges and renames, and people on pictures."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from personsearch.errors import ConfigError, GalleryError
from personsearch.gallery import Gallery
from personsearch.gallery.faults import DATABASE
from personsearch.live.seeing import Searcher
from personsearch.results import Floats

logger = logging.getLogger(__name__)

_BY_ID = re.compile(r"person:([0-9]+)")
#: Rows by which a person is found again who was merged with another one.
_ROWS = 100


@dataclass(frozen=True, eq=False, kw_only=True)
class Target:
    """Somebody who is looked for.

    Attributes:
        number: of the target, from 0.
        label: who it is, in a word or two.
        embedding: (D,) float32, unit length.
        person_id: of a person of the gallery; None of one on a picture.
        detection_ids: of a person of the gallery: some of the rows.
    """

    number: int
    label: str
    embedding: Floats
    person_id: int | None = None
    detection_ids: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """A name for the folder of its alerts."""
        return f"picture-{self.label}" if self.person_id is None else f"person-{self.person_id}"


def targets_of(wanted: Sequence[str | os.PathLike[str]], searcher: Searcher, folder: Path) -> list[Target]:
    """Find who is to be looked for.

    Args:
        wanted: of each ``person:ID`` or the name of a person of the gallery, or else the path or URL of a picture.
        searcher: embeds the pictures.
        folder: the gallery's; it need not be there if only pictures are given.

    Raises:
        ConfigError: one is neither.
        GalleryError: the gallery cannot be read.
        ImageError: a picture cannot be used.
    """
    texts = [os.fspath(one) for one in wanted]
    if not texts:
        return []
    if not (folder / DATABASE).exists():
        return [_on_picture(number, text, searcher, folder, {}) for number, text in enumerate(texts)]
    with closing(Gallery.open(folder, searcher.spec, mode="r")) as gallery:
        names = {one.name: one.person_id for one in gallery.people.all() if one.name is not None}
        targets = []
        for number, text in enumerate(texts):
            by_id = _BY_ID.fullmatch(text)
            person_id = int(by_id[1]) if by_id else names.get(" ".join(text.split()))
            if person_id is None:
                targets.append(_on_picture(number, text, searcher, folder, names))
                continue
            target = _in_gallery(gallery, number, person_id)
            if target is None:
                raise ConfigError(f"--alert {text}: nobody in {folder} has this number; personsearch people lists them")
            targets.append(target)
    return targets


def _on_picture(number: int, text: str, searcher: Searcher, folder: Path, names: dict[str, int]) -> Target:
    if "://" not in text and not os.path.exists(text):
        known = f"{', '.join(sorted(names))} have" if len(names) > 1 else f"{next(iter(names), 'nobody')} has"
        raise ConfigError(
            f"--alert {text}: is neither a picture nor a name in {folder}, where {known} a name; give a picture, such "
            "a name, or person:ID"
        )
    return Target(number=number, label=os.path.basename(text), embedding=searcher.find_query(text).embedding)


def _in_gallery(gallery: Gallery, number: int, person_id: int) -> Target | None:
    person = gallery.people.get(person_id)
    if person is None:
        return None
    return Target(
        number=number,
        label=person.name or f"person {person_id}",
        embedding=gallery.people.embedding(person_id),
        person_id=person_id,
        detection_ids=person.detection_ids[:_ROWS],
    )


def read_again(targets: Sequence[Target], folder: Path) -> tuple[list[Target], list[Target]]:
    """Look up the people of the gallery among the targets, who may have been named, merged or erased since.

    A person who was merged with another one is that one now. Somebody of whom no row is left is not looked for any
    more.

    Args:
        targets: as they were.
        folder: the gallery's.

    Returns:
        Those who are left, as they are now; and those who are gone, as they were.

    Raises:
        GalleryError: the gallery cannot be read.
    """
    if all(target.person_id is None for target in targets):
        return list(targets), []
    left, gone = [], []
    with closing(Gallery.open(folder, mode="r")) as gallery:
        for target in targets:
            now = target if target.person_id is None else _now(gallery, target)
            if now is None:
                gone.append(target)
                continue
            left.append(now)
            if now.label != target.label:
                logger.info("%s is %s now", target.label, now.label)
    return left, gone


def _now(gallery: Gallery, target: Target) -> Target | None:
    """Return a person of the gallery as it is now; None = nothing is left of it."""
    if target.person_id is not None:
        same = _in_gallery(gallery, target.number, target.person_id)
        if same is not None:
            return same
    for row in target.detection_ids:
        try:
            [sighting] = gallery.sightings([row])
        except GalleryError:  # erased
            continue
        if sighting.person_id is not None:
            return _in_gallery(gallery, target.number, sighting.person_id)
    return None
