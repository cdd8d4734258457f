"""A search as people ask for it: by one embedding or several of one person, with what was confirmed and rejected.

The index returns candidates. Their similarities are computed from the database's rows, and more candidates are asked
for until nobody who was not returned could belong among the first k: so every result is that of comparing everybody,
whatever the filters and options.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from personsearch.errors import GalleryCorruptError, GalleryError
from personsearch.gallery.cameras import Correction
from personsearch.gallery.catalogue import Filters
from personsearch.gallery.checks import check_there
from personsearch.gallery.faults import damaged
from personsearch.gallery.index import Index, Mask
from personsearch.gallery.rows import ImageRow, PersonRow, unit
from personsearch.gallery.sightings import sightings
from personsearch.gallery.store import Store
from personsearch.gallery.track_rows import find_tracks, tracks_of
from personsearch.gallery.view import View
from personsearch.results import Floats, Match

Combine: TypeAlias = Literal["mean", "best"]

#: Candidates asked for beyond k, so that one round usually settles ties at the border.
SPARE = 8
#: Each further round asks for this many times as many candidates.
WIDEN = 4
#: What a confirmed match counts beside the query, which counts 1, and all rejected ones together.
LIKE = 1.0
UNLIKE = 0.3


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What of a ranking is returned; see ``Gallery.search``.

    Attributes:
        k: matches at most; with ``per_camera``, of each camera.
        filters: which scenes to search.
        exclude_tracks: track_ids to leave out.
        exclude_detections: detection_ids to leave out.
        unlike: detection_ids to leave out with the other views of their tracks.
        min_similarity: matches below it are dropped.
        one_per_image: keep only the best match of each scene.
        one_per_track: keep only the best match of each track.
        per_camera: rank each camera on its own.
        camera_bias: how much of what cameras add to embeddings is taken out, 0..1; 0 = nothing.
        query_camera: the camera of what is searched for, if it is one of the gallery's.
    """

    k: int
    filters: Filters
    exclude_tracks: Collection[int] = ()
    exclude_detections: Collection[int] = ()
    unlike: Collection[int] = ()
    min_similarity: float | None = None
    one_per_image: bool = False
    one_per_track: bool = False
    per_camera: bool = False
    camera_bias: float = 0.0
    query_camera: str | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise GalleryError(f"k must be at least 1, got {self.k}")
        if not 0 <= self.camera_bias <= 1:
            raise GalleryError(f"camera_bias must be from 0 to 1, got {self.camera_bias}")
        if self.query_camera is not None and not self.camera_bias:
            raise GalleryError("query_camera only serves to take camera bias out; give camera_bias too, such as 1")

    def correction(self, view: View) -> Correction | None:
        """Return the gallery without camera bias; None where that is not asked for."""
        if not self.camera_bias:
            return None
        found = view.corrected(self.camera_bias)
        found.require(self.query_camera)
        return found

    def excluded(self, store: Store) -> set[int]:
        """Return the detection_ids to leave out."""
        tracks = [*find_tracks(store, self.exclude_tracks).values()] if self.exclude_tracks else []
        tracks += tracks_of(store, self.unlike).values() if self.unlike else []
        return {*self.exclude_detections, *self.unlike, *(row for track in tracks for row in track.detection_ids)}


def find(view: View, store: Store, groups: Sequence[Floats], wanted: Wanted) -> list[list[Match]]:
    """Rank a gallery for each of several people; call inside ``store.snapshot()``.

    Args:
        view: of the gallery.
        store: of the gallery.
        groups: for each person (G, D) float32 embeddings, unit length; a match's similarity is its highest to them.
        wanted: which matches.

    Raises:
        GalleryCorruptError: a row is damaged.
    """
    index, correction = view.refresh(), wanted.correction(view)
    allowed = view.allowed(wanted.filters, wanted.excluded(store))
    parts = view.by_camera(allowed) if wanted.per_camera else [allowed]
    found: list[list[tuple[float, int]]] = [[] for _ in groups]
    for part in parts:
        for ranking, more in zip(found, _nearest(index, store, groups, wanted, part, correction), strict=True):
            ranking += more
    # One part is in this order already.
    found = [sorted(ranking, key=lambda one: (-one[0], one[1])) for ranking in found]
    seen = sightings(store, {number for ranking in found for _, number in ranking})
    return [[Match(similarity=similarity, **vars(seen[number])) for similarity, number in ranking] for ranking in found]


def _nearest(
    index: Index,
    store: Store,
    groups: Sequence[Floats],
    wanted: Wanted,
    allowed: Mask | None,
    correction: Correction | None,
) -> list[list[tuple[float, int]]]:
    """Return the first k (similarity, detection_id) of each group among the people who are allowed."""
    index = index if correction is None else correction.index
    results: list[list[tuple[float, int]]] = [[] for _ in groups]
    pending = list(range(len(groups)))
    count = wanted.k + SPARE
    while pending:
        ids, similarities = index.search(np.concatenate([groups[number] for number in pending]), count, allowed)
        people = store.find_people(np.unique(ids[ids >= 0]).tolist())
        ends = np.cumsum([len(groups[number]) for number in pending])
        unsettled = []
        for number, end in zip(pending, ends.tolist(), strict=True):
            rows = slice(end - len(groups[number]), end)
            candidates = np.unique(ids[rows][ids[rows] >= 0]).tolist()
            ranking = _ranked(store, groups[number], candidates, people, wanted, correction)
            results[number] = ranking[: wanted.k]
            full = (ids[rows] >= 0).sum(axis=1) >= count  # of the others the index has no more
            if not full.any():
                continue
            # Nobody who was not returned can be more similar than this.
            reach = float(similarities[rows][full, -1].max()) + index.margin
            settled = len(ranking) >= wanted.k and ranking[wanted.k - 1][0] > reach
            if not settled and (wanted.min_similarity is None or reach >= wanted.min_similarity):
                unsettled.append(number)
        pending = unsettled
        count *= WIDEN
    return results


def _ranked(
    store: Store,
    queries: Floats,
    ids: list[int],
    stored: dict[int, tuple[PersonRow, ImageRow]],
    wanted: Wanted,
    correction: Correction | None,
) -> list[tuple[float, int]]:
    """Return the candidates that pass as (similarity, detection_id), the similarity from the database, in order."""
    try:
        people = [stored[one] for one in ids]
    except KeyError as error:
        raise GalleryCorruptError(damaged(store.path, f"person {error} is missing")) from None
    # In double precision, so that the same person has the same similarity in any company.
    vectors = unit(store.vectors([person for person, _ in people])).astype(np.float64)
    if correction is not None:
        vectors = correction.apply(vectors, [scene.camera for _, scene in people])
    products = np.stack([vectors @ query for query in queries.astype(np.float64)])
    similarities = products.max(axis=0).astype(np.float32)
    tracks = tracks_of(store, ids) if wanted.one_per_track else {}
    ranking: list[tuple[float, int]] = []
    seen: set[tuple[str, int]] = set()
    for row in np.lexsort((np.array(ids), -similarities)).tolist():
        similarity, number = float(similarities[row]), ids[row]
        if wanted.min_similarity is not None and similarity < wanted.min_similarity:
            break
        taken = set()
        if wanted.one_per_image:
            taken.add(("image", people[row][1].id))
        if number in tracks:
            taken.add(("track", tracks[number].track_id))
        if taken & seen:
            continue
        seen |= taken
        ranking.append((similarity, number))
    return ranking


def target(
    view: View, store: Store, queries: Floats, wanted: Wanted, combine: Combine, like: Collection[int]
) -> Floats:
    """Return what is searched for in the end (G, D): after taking out camera bias, combining, and feedback.

    Args:
        view: of the gallery.
        store: of the gallery; call inside ``store.snapshot()``.
        queries: (Q, D) float32, unit length, embeddings of one person.
        wanted: of the search; what is in ``unlike`` was rejected.
        combine: their mean, or all of them.
        like: detection_ids of matches that were confirmed.

    Raises:
        GalleryError: there is no such way to combine, the embeddings cancel each other out, nobody has one of the ids,
            or it is confirmed and rejected.
    """
    both = set(like) & set(wanted.unlike)
    if both:
        raise GalleryError(f"{store.path}: detection {min(both)} is in like and in unlike; it can only be in one")
    if combine not in ("mean", "best"):
        raise GalleryError(f"combine must be 'mean' or 'best', got {combine!r}")
    correction = wanted.correction(view)
    if correction is not None:
        queries = correction.apply(queries, [wanted.query_camera] * len(queries)).astype(np.float32)
    if combine == "mean" and len(queries) > 1:
        queries = _unit_length(queries.sum(axis=0))[None]
    liked = _embeddings(store, "like", like, correction)
    unliked = _embeddings(store, "unlike", wanted.unlike, correction)
    return moved(queries, liked, unliked) if len(liked) or len(unliked) else queries


def moved(queries: Floats, liked: Floats, unliked: Floats, *, like: float = LIKE, unlike: float = UNLIKE) -> Floats:
    """Return queries (G, D) moved towards what is liked (L, D) and away from what is not (U, D), unit length.

    Args:
        queries: unit length, as the others.
        liked: confirmed matches.
        unliked: rejected matches.
        like: what each confirmed match counts beside the query.
        unlike: what the mean of the rejected ones counts beside the query that has moved towards the others.
    """
    towards = queries + like * liked.sum(axis=0)
    if not len(unliked):
        return np.stack([_unit_length(one) for one in towards])
    away = unlike * unliked.mean(axis=0)
    return np.stack([_unit_length(_unit_length(one) - away) for one in towards])


def _embeddings(store: Store, name: str, detection_ids: Collection[int], correction: Correction | None) -> Floats:
    """Return the embeddings (N, D) of stored people; each counts once."""
    wanted = sorted(set(detection_ids))
    people = store.find_people(wanted) if wanted else {}
    check_there(f"{store.path}: {name}", wanted, people)
    vectors = unit(store.vectors([people[number][0] for number in wanted]))
    if correction is None:
        return vectors
    return correction.apply(vectors, [people[number][1].camera for number in wanted]).astype(np.float32)


def _unit_length(vector: Floats) -> Floats:
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        raise GalleryError("the embeddings cancel each other out, so their mean is like nobody; search for them apart")
    return np.asarray(vector / length, dtype=np.float32)
