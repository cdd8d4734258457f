"""Whom a search is for who is in the gallery already: a track, a person, or detections. No network is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personsearch.errors import GalleryError, ImageError
from personsearch.gallery.gallery import Gallery
from personsearch.results import Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Known:
    """Somebody who is stored.

    Attributes:
        embeddings: (Q, D) float32, unit length.
        detection_ids: what of the gallery this is, the best view first, to be left out of the result; empty where the
            result may hold it.
    """

    embeddings: Floats
    detection_ids: tuple[int, ...] = ()


def require_one_kind(given: Mapping[str, bool], *, like: bool, nobody: str) -> None:
    """Refuse a search for nobody, or for people of several kinds at once.

    Args:
        given: what a search can be for, in the caller's words -> whether it is given.
        like: whether detections are given, which alone are enough and go with everything.
        nobody: the message where nothing is given.

    Raises:
        ImageError: says what to leave out or to give.
    """
    named = [name for name, there in given.items() if there]
    if len(named) > 1:
        raise ImageError(f"{' and '.join(named)} are given, but a search is for one of these; leave out the others")
    if not named and not like:
        raise ImageError(nobody)


def known(gallery: Gallery, *, track: int | None = None, person: int | None = None, like: Sequence[int] = ()) -> Known:
    """Look up whom a search is for.

    Args:
        gallery: it is searched too.
        track: a track_id.
        person: a person_id.
        like: detection_ids, if the search is for neither.

    Raises:
        GalleryError: there is no such track, person or detection.
    """
    if track is not None:
        found = gallery.tracks.get(track)
        return Known(
            embeddings=gallery.tracks.embedding(track)[None],
            detection_ids=() if found is None else found.detection_ids,
        )
    if person is not None:
        somebody = gallery.people.get(person)
        return Known(
            embeddings=gallery.people.embedding(person)[None],
            detection_ids=() if somebody is None else somebody.detection_ids,
        )
    if not like:
        raise GalleryError(f"{gallery.name}: give a track, a person or detections to search for")
    return Known(embeddings=np.stack([gallery.embedding(one) for one in like]))
