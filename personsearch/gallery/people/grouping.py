"""Who is whom: appearances are grouped into people by similarity, and by what time and place say against it.

Average linkage: two groups become one person while the mean similarity of their members is the highest there is, and at
least ``min_similarity``. Two appearances that cannot be one person (two people of one scene, two tracks at once in one
view) keep their groups apart for good, whatever the similarity; a decision by hand goes above all of it.

Only pairs of groups that are alike enough are kept, and a mean similarity is the product of two sums of embeddings, so
that no matrix of all pairs is ever in memory. In every round all pairs that are each other's most similar are joined at
once, which ends in the same groups as joining one pair at a time, because the mean of two groups to a third is never
above both of theirs (reciprocal nearest neighbours; Murtagh 1983).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from personsearch.errors import ConfigError
from personsearch.gallery.people.crowd import default_similarity
from personsearch.gallery.people.units import Bools, Ints, Units, cannot_be_one, content_order
from personsearch.people import Gates
from personsearch.results import Floats

__all__ = ["MOST_PAIRS", "Units", "default_similarity", "group"]

#: Pairs of groups that are alike enough; more would need several gigabytes.
MOST_PAIRS = 40_000_000
#: Tracks of fewer seconds are joined after the others, with single detections: some show half a person, or nobody.
BRIEF = 1.0
#: Similarities, or pairs of appearances, that are held at a time.
CELLS = 2**22


def group(units: Units, min_similarity: float, gates: Gates = Gates()) -> Ints:  # noqa: B008 - frozen
    """Group appearances into people.

    Tracks that last are joined first. Single detections and tracks of less than :data:`BRIEF` seconds then join them
    and each other: as some of them show half a person or nobody, they must not keep apart what belongs together.

    Units that are fixed to one person always end together, even where they were seen at once: decisions by hand win.
    These are never in one group otherwise: units fixed to two persons; two detections of one scene; two tracks, or a
    track and a detection, at once in one view; and what the gates say. So an appearance that cannot be one member of a
    group is no member of it.

    Args:
        units: the appearances. Their order changes nothing: equally similar pairs are told apart by their content.
        min_similarity: the mean similarity from which groups are joined, -1 to 1.
        gates: ``min_travel`` and ``max_span`` count; unknown times and places pass. ``places`` has been applied before.

    Returns:
        (N,) int64 labels 0..K-1, numbered in the order of each group's first unit.

    Raises:
        ConfigError: ``min_similarity`` or a gate is not usable, or more than :data:`MOST_PAIRS` pairs reach
            ``min_similarity``.
    """
    _check(min_similarity, gates)
    order = content_order(units)
    labels = np.empty(len(units), np.int64)
    labels[order] = _linked(units[order], min_similarity, gates)
    return _renumbered(labels)


def _check(min_similarity: float, gates: Gates) -> None:
    if not -1 <= min_similarity <= 1:
        raise ConfigError(f"min_similarity must be from -1 to 1, got {min_similarity}")
    for name in ("min_travel", "max_span"):
        value = getattr(gates, name)
        if value is not None and not 0 <= value < math.inf:
            raise ConfigError(f"{name} must be seconds from 0 on, got {value}; leave it out for no limit")


def _renumbered(labels: Ints) -> Ints:
    """Number labels by first occurrence."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse.reshape(-1)]


@dataclass(frozen=True, eq=False)
class _Groups:
    """G groups of units, and the sums that their mean similarities follow from.

    Attributes:
        of: (N,) the group of each unit.
        members: (N,) units, group by group.
        starts: (G + 1,) where each group's members begin.
        sums: (G, D) float32, of the members' embeddings.
    """

    of: Ints
    members: Ints
    starts: Ints
    sums: Floats

    @classmethod
    def made(cls, of: Ints, embeddings: Floats) -> _Groups:
        members = np.argsort(of, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(of))]).astype(np.int64)
        sums = np.add.reduceat(embeddings[members], starts[:-1], axis=0) if len(of) else embeddings
        return cls(of, members, starts, sums)

    @property
    def sizes(self) -> Ints:
        return np.diff(self.starts)


def _linked(units: Units, min_similarity: float, gates: Gates) -> Ints:
    """Return (N,) group numbers; equally similar pairs are joined in the order of the units."""
    if not len(units):
        return np.zeros(0, np.int64)
    embeddings = np.asarray(units.embeddings, np.float32)
    alone = np.where(units.fixed < 0, np.arange(len(units)), len(units) + units.fixed)
    groups = _Groups.made(_renumbered(alone), embeddings)
    lasting = np.bincount(groups.of, weights=~_brief(units)) > 0
    if lasting.any() and not lasting.all():
        groups = _joined_up(groups, lasting, units, min_similarity, gates)
    return _joined_up(groups, np.ones(len(groups.sizes), np.bool_), units, min_similarity, gates).of


def _brief(units: Units) -> Bools:
    """Return (N,) bool: which appearances are single detections, or tracks that are over at once."""
    return (units.scenes >= 0) | (units.last - units.first < BRIEF)


def _joined_up(groups: _Groups, taking_part: Bools, units: Units, min_similarity: float, gates: Gates) -> _Groups:
    """Join the most similar groups among those that take part until no two are similar enough."""
    embeddings = np.asarray(units.embeddings, np.float32)
    first, second, similarity = _alike(groups, np.flatnonzero(taking_part), min_similarity)
    free = ~_apart(units, gates, groups, first, second)
    first, second, similarity = first[free], second[free], similarity[free]
    while len(first):
        joined = _joined(first, second, similarity, len(groups.sizes))
        changed = np.bincount(joined) > 1
        groups = _Groups.made(joined[groups.of], embeddings)
        first, second, similarity = _contracted(joined[first], joined[second], similarity, len(groups.sizes))
        again = np.flatnonzero(changed[first] | changed[second])
        similarity[again] = _means(groups, first[again], second[again])
        kept = similarity >= min_similarity
        again = again[kept[again]]
        kept[again] = ~_apart(units, gates, groups, first[again], second[again])
        first, second, similarity = first[kept], second[kept], similarity[kept]
    return groups


def _alike(groups: _Groups, taking_part: Ints, min_similarity: float) -> tuple[Ints, Ints, Floats]:
    """Return the pairs of these groups, first < second, whose mean similarity is at least ``min_similarity``."""
    means = groups.sums[taking_part] / groups.sizes[taking_part, None].astype(np.float32)
    step = max(1, CELLS // len(means))
    firsts, seconds, values, found = [], [], [], 0
    for start in range(0, len(means), step):
        similarity = means[start : start + step] @ means[start:].T
        row, column = np.nonzero(similarity >= min_similarity)
        later = column > row
        row, column = row[later], column[later]
        found += len(row)
        if found > MOST_PAIRS:
            raise ConfigError(
                f"min_similarity {min_similarity:g}: more than {MOST_PAIRS:,} pairs of {len(means):,} appearances "
                "reach it, too many to group; raise it, or index videos with tracks, which make one appearance of "
                "many frames"
            )
        firsts.append(row + start)
        seconds.append(column + start)
        values.append(similarity[row, column])
    return taking_part[np.concatenate(firsts)], taking_part[np.concatenate(seconds)], np.concatenate(values)


def _joined(first: Ints, second: Ints, similarity: Floats, groups: int) -> Ints:
    """Return (G,) the new number of each group, where pairs that are each other's most similar have one.

    Of equally similar pairs, the first one whose groups are both still free is joined.
    """
    best = np.full(groups, -np.inf, np.float32)
    np.maximum.at(best, first, similarity)
    np.maximum.at(best, second, similarity)
    mutual = np.flatnonzero((similarity == best[first]) & (similarity == best[second]))
    mutual = mutual[np.lexsort((second[mutual], first[mutual]))]
    into = np.arange(groups)
    taken = [False] * groups
    for a, b in zip(first[mutual].tolist(), second[mutual].tolist(), strict=True):
        if not (taken[a] or taken[b]):
            taken[a] = taken[b] = True
            into[b] = a
    return _renumbered(into)


def _contracted(first: Ints, second: Ints, similarity: Floats, groups: int) -> tuple[Ints, Ints, Floats]:
    """Return the pairs of the new groups once each, first < second; of a group with itself none."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    key, where = np.unique(low * groups + high, return_index=True)
    low, high = key // groups, key % groups
    other = low != high
    return low[other], high[other], similarity[where[other]]


def _means(groups: _Groups, first: Ints, second: Ints) -> Floats:
    """Return (P,) the mean similarity of the members of pairs of groups."""
    means = groups.sums / groups.sizes[:, None].astype(np.float32)
    similarity = np.empty(len(first), np.float32)
    step = max(1, CELLS // max(1, means.shape[1]))
    for start in range(0, len(first), step):
        part = slice(start, start + step)
        similarity[part] = np.einsum("pd,pd->p", means[first[part]], means[second[part]])
    return similarity


def _apart(units: Units, gates: Gates, groups: _Groups, first: Ints, second: Ints) -> Bools:
    """Return (P,) bool: in which pairs of groups somebody of the one cannot be somebody of the other."""
    sizes = groups.sizes
    apart = np.zeros(len(first), np.bool_)
    pairs = sizes[first] * sizes[second]
    for part in _parts(pairs):
        count = pairs[part]
        pair = np.repeat(np.arange(part.start, part.stop), count)
        number = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
        width = sizes[second[pair]]
        a = groups.members[groups.starts[first[pair]] + number // width]
        b = groups.members[groups.starts[second[pair]] + number % width]
        apart[pair[cannot_be_one(units, gates, a, b)]] = True
    return apart


def _parts(sizes: Ints) -> Iterator[slice]:
    """Yield slices of pairs of groups with about :data:`CELLS` pairs of units each."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + CELLS, side="right")))
        yield slice(start, stop)
        start = stop
