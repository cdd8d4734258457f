"""Whether people are grouped rightly, and how many there seem to be, by the size of the crowd.

    python benchmarks/people.py SYNTH_MINI SET_B --footage FOOTAGE

The network looks at each set once, and the cache keeps what it saw. In sets of stills each detection is an appearance.
In footage, whose frames follow each other, people are followed: by the tracker, and ideally, in that the detections of
one annotated person that follow each other in one camera are one track. All appearances are grouped, also those of
people without a label and of nobody; those of labelled people are scored.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personsearch import PersonSearcher
from personsearch.boxes import mutual_best
from personsearch.calibration import Calibration
from personsearch.datasets import Dataset, load_dataset
from personsearch.evaluation.observations import Observations
from personsearch.gallery.people.grouping import Units, default_similarity, group
from personsearch.measure.cache import default_folder
from personsearch.measure.observe import observe
from personsearch.tracking import Followed, Follower, Frame

Ints = NDArray[np.int64]

#: Overlap from which a detection and an annotated person match, if each is the other's best.
IOU = 0.5
#: Seconds for which an ideal track may be interrupted.
GAP = 3.0
#: A person counts who was seen in so many frames.
LEAST_FRAMES = (1, 2, 3, 5, 10, 20)
#: Whose detection this is, where it is not one of a labelled person's.
NOBODY_KNOWN = -1


@dataclass(frozen=True, eq=False)
class Appearances:
    """N appearances of a set, and who they are.

    Attributes:
        units: as they are grouped.
        identities: (N,) -1 = not scored: a person without a label, or a false detection.
        frames: (N,) how many detections each is made of.
    """

    units: Units
    identities: Ints
    frames: Ints

    def __getitem__(self, rows: Ints) -> Appearances:
        return Appearances(self.units[rows], self.identities[rows], self.frames[rows])

    @property
    def people(self) -> int:
        """How many labelled people appear."""
        return len(np.unique(self.identities[self.identities >= 0]))


def detections_of(observed: Observations, dataset: Dataset, min_score: float) -> Appearances:
    """Return every detection of a set as an appearance."""
    embeddings, identities, scenes, times, cameras = [], [], [], [], []
    for number, scene in enumerate(dataset.scenes):
        found = observed.detections[scene.image_id].filter(min_score=min_score)
        people = np.flatnonzero(~scene.ignore)
        rows, matched = mutual_best(found.boxes, scene.boxes[people], IOU)
        who = np.full(len(found), NOBODY_KNOWN, np.int64)
        who[rows] = scene.identities[people[matched]]
        embeddings.append(found.embeddings)
        identities.append(who)
        scenes.append(np.full(len(found), number))
        times.append(np.full(len(found), np.nan if scene.time is None else scene.time))
        cameras += [scene.camera or ""] * len(found)
    time = np.concatenate(times)
    camera = np.unique(cameras, return_inverse=True)[1].astype(np.int64)
    units = Units(
        embeddings=np.concatenate(embeddings),
        views=camera,
        scenes=np.concatenate(scenes).astype(np.int64),
        places=camera,
        first=time,
        last=time,
        fixed=np.full(len(time), -1, np.int64),
    )
    return Appearances(units, np.concatenate(identities), np.ones(len(time), np.int64))


def ideal_tracks(detections: Appearances, gap: float = GAP) -> Appearances:
    """Join the detections of one labelled person that follow each other in one camera; leave out the others."""
    units, who = detections.units, detections.identities
    order = np.lexsort((units.first, units.views, who))
    order = order[who[order] >= 0]
    view, time, one = units.views[order], units.first[order], who[order]
    starts = np.flatnonzero(
        np.concatenate([[True], (np.diff(one) != 0) | (np.diff(view) != 0) | ~(np.diff(time) <= gap)])
    )
    sums = np.add.reduceat(units.embeddings[order].astype(np.float64), starts, axis=0)
    first, last = order[starts], order[np.append(starts[1:], len(order)) - 1]
    tracks = replace(
        units[first],
        embeddings=(sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32),
        scenes=np.full(len(starts), -1, np.int64),
        last=units.last[last],
    )
    return Appearances(tracks, who[first], np.diff(np.append(starts, len(order))))


def tracks_of(observed: Observations, dataset: Dataset, detections: Appearances, min_score: float) -> Appearances:
    """Follow people through each camera's frames; a track is the person of most of its detections."""
    ends = np.cumsum(np.bincount(detections.units.scenes, minlength=len(dataset.scenes)))
    scenes = sorted(enumerate(dataset.scenes), key=lambda pair: (pair[1].camera or "", pair[1].time or 0.0))
    tracks: list[Followed] = []
    whose: list[Ints] = []
    views: list[int] = []
    for view, (_, frames) in enumerate(groupby(scenes, key=lambda pair: pair[1].camera)):
        follower, rows = Follower(), dict[int, list[int]]()
        ended: list[Followed] = []
        for number, scene in frames:
            found = observed.detections[scene.image_id].filter(min_score=min_score)
            ended += follower.update(Frame(image_id=scene.image_id, seconds=scene.time or 0.0, detections=found))
            for row, track in enumerate(follower.numbers):
                rows.setdefault(track, []).append(int(ends[number]) - len(found) + row)
        ended += follower.finish()
        tracks += ended
        whose += [detections.identities[rows[track.number]] for track in ended]
        views += [view] * len(ended)
    nothing = np.full(len(tracks), -1, np.int64)
    units = Units(
        embeddings=np.stack([track.embedding for track in tracks]),
        views=np.array(views, np.int64),
        scenes=nothing,
        places=np.array(views, np.int64),
        first=np.array([track.first for track in tracks]),
        last=np.array([track.last for track in tracks]),
        fixed=nothing,
    )
    most = [np.unique(who, return_counts=True) for who in whose]
    identities = np.array([who[counts.argmax()] for who, counts in most], np.int64)
    return Appearances(units, identities, np.array([track.frames for track in tracks], np.int64))


def merged(parts: Sequence[Appearances]) -> Appearances:
    """Put sets together as if they were one; nobody is in two of them."""
    moved, before = [], {"views": 0, "scenes": 0, "places": 0, "identities": 0}
    for part in parts:
        columns = {name: getattr(part.units, name) for name in ("views", "scenes", "places")}
        columns["identities"] = part.identities
        shifted = {name: np.where(column < 0, column, column + before[name]) for name, column in columns.items()}
        before = {name: int(column.max(initial=-1)) + 1 + before[name] for name, column in columns.items()}
        who = shifted.pop("identities")
        moved.append(Appearances(replace(part.units, **shifted), who, part.frames))
    names = ("embeddings", "views", "scenes", "places", "first", "last", "fixed")
    units = Units(**{name: np.concatenate([getattr(one.units, name) for one in moved]) for name in names})
    return Appearances(
        units, np.concatenate([one.identities for one in moved]), np.concatenate([one.frames for one in moved])
    )


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far a grouping agrees with who people are.

    Attributes:
        precision: of the pairs of appearances in one group, the share that is of one person.
        recall: of the pairs of one person, the share that is in one group.
        b_cubed: over all appearances, how far its group is one person's, and how far its person is in its group; the
            harmonic mean of the two means.
        people: how many labelled people there are.
        found: how many groups hold labelled people.
        again: how many of these hold more than one appearance.
    """

    precision: float
    recall: float
    b_cubed: float
    people: int
    found: int
    again: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    @property
    def count_error(self) -> float:
        """How many groups there are for each person, less one."""
        return self.found / self.people - 1


def agreement(labels: Ints, identities: Ints) -> Agreement:
    """Compare groups with identities; -1 is left out."""
    known = identities >= 0
    groups = np.unique(labels[known], return_inverse=True)[1]
    people = np.unique(identities[known], return_inverse=True)[1]
    table = np.zeros((int(groups.max()) + 1, int(people.max()) + 1), np.int64)
    np.add.at(table, (groups, people), 1)
    both, grouped, of_one = (_pairs(counts) for counts in (table, table.sum(axis=1), table.sum(axis=0)))
    squares = table.astype(np.float64) ** 2
    pure = (squares / table.sum(axis=1, keepdims=True)).sum() / table.sum()
    whole = (squares / table.sum(axis=0, keepdims=True)).sum() / table.sum()
    return Agreement(
        precision=both / grouped if grouped else 1.0,
        recall=both / of_one if of_one else 1.0,
        b_cubed=2 * pure * whole / (pure + whole),
        people=table.shape[1],
        found=table.shape[0],
        again=int((table.sum(axis=1) > 1).sum()),
    )


def _pairs(counts: Ints) -> int:
    return int((counts * (counts - 1) // 2).sum())


def crowds(
    appearances: Appearances, calibration: Calibration, sizes: Sequence[int], draws: int, seed: int = 0
) -> Iterator[tuple[int, list[tuple[float, Agreement]]]]:
    """Yield crowds of so many people drawn at random: similarity and agreement of each draw."""
    known = np.unique(appearances.identities[appearances.identities >= 0])
    for size in sizes:
        rng = np.random.default_rng([seed, size])
        results = []
        for _ in range(1 if size == len(known) else draws):
            drawn = appearances[np.flatnonzero(np.isin(appearances.identities, rng.choice(known, size, replace=False)))]
            similarity = default_similarity(calibration, drawn.units)
            results.append((similarity, agreement(group(drawn.units, similarity), drawn.identities)))
        yield size, results


HEAD = "precision | recall | F1 | B-cubed | people | found | twice or more |"


def line(name: str, appearances: Appearances, similarity: float) -> str:
    """Group a set, and return a row of a table."""
    one = agreement(group(appearances.units, similarity), appearances.identities)
    shares = [f"{100 * value:.1f}" for value in (one.precision, one.recall, one.f1, one.b_cubed)]
    cells = [len(appearances.units), f"{similarity:.2f}", *shares, one.people, one.found, one.again]
    return f"| {name} | {' | '.join(map(str, cells))} |"


def counted(name: str, appearances: Appearances, similarity: float) -> str:
    """Group a set, and return a row: how many people seem to have been seen in so many frames, and how many were."""
    known = appearances.identities >= 0
    labels = group(appearances.units, similarity)[known]
    frames, people = appearances.frames[known], appearances.identities[known]
    cells = []
    for least in LEAST_FRAMES:
        found, there = (int((np.bincount(of, weights=frames) >= least).sum()) for of in (labels, people))
        cells.append(f"{found} / {there}")
    return f"| {name} | {' | '.join(cells)} |"


def spread(values: Sequence[float]) -> str:
    """Return mean and standard deviation of percentages."""
    return f"{100 * np.mean(values):.0f}" + (f" ± {100 * np.std(values):.0f}" if len(values) > 1 else "")


def crowd_table(appearances: Appearances, calibration: Calibration, sizes: Sequence[int], draws: int) -> Iterator[str]:
    """Yield the lines of a table of crowds."""
    sizes = [size for size in sizes if size < appearances.people] + [appearances.people]
    yield "| people | similarity | precision, % | recall, % | F1, % | count error, % | counting those seen twice, % |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for size, results in crowds(appearances, calibration, sizes, draws):
        ones = [one for _, one in results]
        cells = [
            f"{np.mean([similarity for similarity, _ in results]):.2f}",
            spread([one.precision for one in ones]),
            spread([one.recall for one in ones]),
            spread([one.f1 for one in ones]),
            spread([one.count_error for one in ones]),
            spread([one.again / one.people - 1 for one in ones]),
        ]
        yield f"| {size} | {' | '.join(cells)} |"


def main() -> None:
    """Observe, group, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stills", nargs="*", help="annotated sets of stills")
    parser.add_argument("--footage", help="annotated set of frames that follow each other")
    parser.add_argument("--split", default="test")
    parser.add_argument("--weights", default="stl-mrfp-small")
    parser.add_argument("--sizes", type=int, nargs="*", default=[3, 5, 10, 20, 50, 100, 200])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--cache", type=Path, default=default_folder())
    arguments = parser.parse_args()
    searcher = PersonSearcher.from_pretrained(arguments.weights, device="cpu")
    calibration, min_score = searcher.calibration, searcher.config.detector.score_threshold
    if calibration is None:
        raise SystemExit(f"{arguments.weights}: has no calibration; give weights that have one")

    def observed(path: str) -> tuple[Observations, Dataset, Appearances]:
        dataset = load_dataset(path, arguments.split)
        seen = observe(searcher, dataset, cache_dir=arguments.cache)
        return seen, dataset, detections_of(seen, dataset, min_score)

    stills = {Path(path).name: observed(path)[2] for path in arguments.stills}
    measured = {f"{name}: detections": one for name, one in stills.items()}
    drawn = {f"detections of {' and '.join(stills)}": merged(list(stills.values()))} if stills else {}
    if arguments.footage:
        seen, dataset, detections = observed(arguments.footage)
        name = Path(arguments.footage).name
        ideal, followed = ideal_tracks(detections), tracks_of(seen, dataset, detections, min_score)
        measured |= {f"{name}: ideal tracks": ideal, f"{name}: tracks": followed}
        drawn |= {f"ideal tracks of {name}": ideal, f"tracks of {name}": followed}

    print(f"{datetime.now(UTC).date()}, {platform.machine()}, Python {platform.python_version()}, no GPU;", end=" ")
    print(f"weights {arguments.weights}, calibrated on {calibration.dataset}; {arguments.split} splits\n")
    similarities = {name: default_similarity(calibration, one.units) for name, one in measured.items()}
    print(f"| appearances | how many | similarity | {HEAD}\n|{' --- |' * 10}")
    for name, one in measured.items():
        print(line(name, one, similarities[name]), flush=True)
    least = " | ".join(f"from {frames} frame{'s' * (frames > 1)}" for frames in LEAST_FRAMES)
    print(f"\n## Count: found / there are, of people seen in so many frames\n\n| appearances | {least} |")
    print(f"|{' --- |' * (1 + len(LEAST_FRAMES))}")
    for name, one in measured.items():
        print(counted(name, one, similarities[name]), flush=True)
    for name, one in drawn.items():
        print(f"\n## Crowds: {name}\n")
        for row in crowd_table(one, calibration, arguments.sizes, arguments.draws):
            print(row, flush=True)


if __name__ == "__main__":
    main()
