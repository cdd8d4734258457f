"""A search as people ask for it: by one embedding or several of one person, with what was confirmed and rejected.

The store returns candidates. Their similarities are computed from its rows, and more candidates are asked for until
nobody who was not returned could belong among the first k: so, unless the store's index may miss somebody, every result
is that of comparing everybody, whatever the filters and options.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import GalleryError
from personsearch.gallery.catalogue import Filters
from personsearch.gallery.checks import check_there
from personsearch.gallery.index import Ids
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


@dataclass(frozen=True, eq=False)
class Found:
    """Candidates as they are stored, N of them.

    Attributes:
        ids: detection_ids, rising.
        vectors: (N, D) float64 embeddings, unit length, as they are to be compared.
        scenes: something that is the same for people of the same scene.
    """

    ids: list[int]
    vectors: NDArray[np.float64]
    scenes: Sequence[object]


class Candidates(Protocol):
    """Those among whom one search ranks; a store makes them of what is wanted.

    Attributes:
        name: of the gallery, for messages.
        margin: how far a similarity that :meth:`nearest` returns may be from the true one at most.
        parts: whom to rank, each part on its own: everybody who passes, or camera by camera.
    """

    name: str
    margin: float

    @property
    def parts(self) -> Sequence[Any]:
        """Return what :meth:`nearest` takes."""

    def nearest(self, queries: Floats, count: int, part: Any) -> tuple[Ids, Floats]:
        """Return each query's nearest neighbours as ids (Q, n) and similarities (Q, n), -1 where there are no more."""

    def found(self, ids: Sequence[int]) -> Found:
        """Return the candidates among these rising ids who are stored."""

    def tracks(self, ids: Sequence[int]) -> Mapping[int, int]:
        """Return the track_ids of the people who belong to a track."""

    def sightings(self, ids: Collection[int]) -> Mapping[int, Sighting]:
        """Return what is known of people who were found."""

    def unbiased(self, queries: Floats, camera: str | None) -> Floats:
        """Return what is searched for without the bias of its camera, if it is to be taken out."""


def find(source: Candidates, groups: Sequence[Floats], wanted: Wanted) -> list[list[Match]]:
    """Rank the candidates for each of several people.

    Args:
        source: whom to rank.
        groups: for each person (G, D) float32 embeddings, unit length; a match's similarity is its highest to them.
        wanted: which matches.

    Raises:
        GalleryCorruptError: a row is damaged.
    """
    parts = source.parts
    found: list[list[tuple[float, int]]] = [[] for _ in groups]
    for part in parts:
        for ranking, more in zip(found, _nearest(source, groups, wanted, part), strict=True):
            ranking += more
    # One part is in this order already.
    found = [sorted(ranking, key=lambda one: (-one[0], one[1])) for ranking in found]
    seen = source.sightings({number for ranking in found for _, number in ranking})
    return [[Match(similarity=similarity, **vars(seen[number])) for similarity, number in ranking] for ranking in found]


def _nearest(source: Candidates, groups: Sequence[Floats], wanted: Wanted, part: Any) -> list[list[tuple[float, int]]]:
    """Return the first k (similarity, detection_id) of each group among the people of a part."""
    results: list[list[tuple[float, int]]] = [[] for _ in groups]
    pending = list(range(len(groups)))
    count = wanted.k + SPARE
    while pending:
        ids, similarities = source.nearest(np.concatenate([groups[number] for number in pending]), count, part)
        people = source.found(np.unique(ids[ids >= 0]).tolist())
        ends = np.cumsum([len(groups[number]) for number in pending])
        unsettled = []
        for number, end in zip(pending, ends.tolist(), strict=True):
            rows = slice(end - len(groups[number]), end)
            ranking = _ranked(source, groups[number], _among(people, ids[rows]), wanted)
            results[number] = ranking[: wanted.k]
            full = (ids[rows] >= 0).sum(axis=1) >= count  # of the others there are no more
            if not full.any():
                continue
            # Nobody who was not returned can be more similar than this.
            reach = float(similarities[rows][full, -1].max()) + source.margin
            settled = len(ranking) >= wanted.k and ranking[wanted.k - 1][0] > reach
            if not settled and (wanted.min_similarity is None or reach >= wanted.min_similarity):
                unsettled.append(number)
        pending = unsettled
        count *= WIDEN
    return results


def _among(people: Found, ids: Ids) -> Found:
    """Return those of the people who have one of these ids."""
    rows = np.flatnonzero(np.isin(people.ids, ids)).tolist()
    return Found([people.ids[row] for row in rows], people.vectors[rows], [people.scenes[row] for row in rows])


def _ranked(source: Candidates, queries: Floats, people: Found, wanted: Wanted) -> list[tuple[float, int]]:
    """Return the candidates that pass as (similarity, detection_id), in order."""
    # In double precision, so that the same person has the same similarity in any company.
    products = np.stack([people.vectors @ query for query in queries.astype(np.float64)])
    similarities = products.max(axis=0).astype(np.float32)
    tracks = source.tracks(people.ids) if wanted.one_per_track else {}
    ranking: list[tuple[float, int]] = []
    seen: set[tuple[str, object]] = set()
    for row in np.lexsort((np.array(people.ids), -similarities)).tolist():
        similarity, number = float(similarities[row]), people.ids[row]
        if wanted.min_similarity is not None and similarity < wanted.min_similarity:
            break
        taken: set[tuple[str, object]] = set()
        if wanted.one_per_image:
            taken.add(("image", people.scenes[row]))
        if number in tracks:
            taken.add(("track", tracks[number]))
        if taken & seen:
            continue
        seen |= taken
        ranking.append((similarity, number))
    return ranking


def target(source: Candidates, queries: Floats, wanted: Wanted, combine: Combine, like: Collection[int]) -> Floats:
    """Return what is searched for in the end (G, D): after taking out camera bias, combining, and feedback.

    Args:
        source: of the search.
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
        raise GalleryError(f"{source.name}: detection {min(both)} is in like and in unlike; it can only be in one")
    if combine not in ("mean", "best"):
        raise GalleryError(f"combine must be 'mean' or 'best', got {combine!r}")
    queries = source.unbiased(queries, wanted.query_camera)
    if combine == "mean" and len(queries) > 1:
        queries = _unit_length(queries.sum(axis=0))[None]
    liked = _embeddings(source, "like", like)
    unliked = _embeddings(source, "unlike", wanted.unlike)
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


def _embeddings(source: Candidates, name: str, detection_ids: Collection[int]) -> Floats:
    """Return the embeddings (N, D) of stored people as they are compared; each counts once."""
    wanted = sorted(set(detection_ids))
    found = source.found(wanted)
    check_there(f"{source.name}: {name}", wanted, found.ids)
    return found.vectors.astype(np.float32)


def _unit_length(vector: Floats) -> Floats:
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        raise GalleryError("the embeddings cancel each other out, so their mean is like nobody; search for them apart")
    return np.asarray(vector / length, dtype=np.float32)
