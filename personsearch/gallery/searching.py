"""A search as people ask for it: by one embedding or several of one person, with what was confirmed and rejected.

The index returns candidates. Their similarities are computed from the database's rows, and more candidates are asked
for until nobody who was not returned could belong among the first k: so every result is that of comparing everybody,
whatever the filters and options.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

import numpy as np

from personsearch.errors import GalleryCorruptError, GalleryError
from personsearch.gallery.catalogue import Filters
from personsearch.gallery.faults import damaged
from personsearch.gallery.index import Index, Mask
from personsearch.gallery.rows import ImageRow, PersonRow, unit
from personsearch.gallery.sightings import sightings
from personsearch.gallery.store import Store
from personsearch.gallery.tracks import find_tracks, tracks_of
from personsearch.gallery.view import View
from personsearch.results import Floats, Match, Sighting

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

    def __post_init__(self) -> None:
        if self.k < 1:
            raise GalleryError(f"k must be at least 1, got {self.k}")

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
    index = view.refresh()
    allowed = view.allowed(wanted.filters, wanted.excluded(store))
    parts = view.by_camera(allowed) if wanted.per_camera else [allowed]
    found: list[list[tuple[float, int]]] = [[] for _ in groups]
    for part in parts:
        for ranking, more in zip(found, _nearest(index, store, groups, wanted, part), strict=True):
            ranking += more
    # One part is in this order already.
    found = [sorted(ranking, key=lambda one: (-one[0], one[1])) for ranking in found]
    seen = sightings(store, {number for ranking in found for _, number in ranking})
    return [[_match(seen[number], similarity) for similarity, number in ranking] for ranking in found]


def _nearest(
    index: Index, store: Store, groups: Sequence[Floats], wanted: Wanted, allowed: Mask | None
) -> list[list[tuple[float, int]]]:
    """Return the first k (similarity, detection_id) of each group among the people who are allowed."""
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
            ranking = _ranked(store, groups[number], candidates, people, wanted)
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
) -> list[tuple[float, int]]:
    """Return the candidates that pass as (similarity, detection_id), the similarity from the database, in order."""
    try:
        people = [stored[one] for one in ids]
    except KeyError as error:
        raise GalleryCorruptError(damaged(store.path, f"person {error} is missing")) from None
    # In double precision, so that the same person has the same similarity in any company.
    vectors = unit(store.vectors([person for person, _ in people])).astype(np.float64)
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


def _match(sighting: Sighting, similarity: float) -> Match:
    known = {one.name: getattr(sighting, one.name) for one in fields(sighting)}
    return Match(similarity=similarity, **known)


def combined(embeddings: Floats, combine: Combine) -> Floats:
    """Return what is searched for, given embeddings (Q, D) of one person: their mean (1, D), or all of them.

    Raises:
        GalleryError: there is no such way, or the embeddings cancel each other out.
    """
    if combine not in ("mean", "best"):
        raise GalleryError(f"combine must be 'mean' or 'best', got {combine!r}")
    return embeddings if combine == "best" or len(embeddings) == 1 else _unit_length(embeddings.sum(axis=0))[None]


def refined(store: Store, queries: Floats, like: Collection[int], unlike: Collection[int]) -> Floats:
    """Return what is searched for after feedback (Rocchio): nearer to what was confirmed, farther from what was not.

    Args:
        store: of the gallery; call inside ``store.snapshot()``.
        queries: (G, D) float32, unit length.
        like: detection_ids of confirmed matches.
        unlike: detection_ids of rejected matches.

    Raises:
        GalleryError: nobody has one of these ids, or it is in both.
    """
    both = set(like) & set(unlike)
    if both:
        raise GalleryError(f"{store.path}: detection {min(both)} is in like and in unlike; it can only be in one")
    liked, unliked = _embeddings(store, "like", like), _embeddings(store, "unlike", unlike)
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


def _embeddings(store: Store, name: str, detection_ids: Collection[int]) -> Floats:
    """Return the embeddings (N, D) of stored people; each counts once."""
    wanted = sorted(set(detection_ids))
    people = store.find_people(wanted) if wanted else {}
    for number in wanted:
        if number not in people:
            raise GalleryError(f"{store.path}: {name}: nobody has detection_id {number}; matches carry valid ones")
    return unit(store.vectors([people[number][0] for number in wanted]))


def _unit_length(vector: Floats) -> Floats:
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        raise GalleryError("the embeddings cancel each other out, so their mean is like nobody; search for them apart")
    return np.asarray(vector / length, dtype=np.float32)
