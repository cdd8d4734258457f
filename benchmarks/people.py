"""Whether people are grouped rightly, and how many there seem to be, by the size of the crowd.

    python benchmarks/people.py SYNTH_MINI SET_B --footage FOOTAGE

The network looks at each set once, and the cache keeps what it saw. Appearances are made of it in two ways: each
detection is one; or the detections of one annotated person that follow each other in one camera are one ("ideal
tracks": there is no tracker in it, so that the figures are those of grouping alone). Of all detections, those of people
without a label and of nobody are grouped too, and those that were matched to a labelled person are scored.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personsearch import PersonSearcher
from personsearch.boxes import mutual_best
from personsearch.calibration import Calibration
from personsearch.datasets import Dataset, load_dataset
from personsearch.evaluation.observations import Observations
from personsearch.gallery.grouping import Units, default_similarity, group
from personsearch.measure.cache import default_folder
from personsearch.measure.observe import observe

Ints = NDArray[np.int64]

#: Overlap from which a detection and an annotated person match, if each is the other's best.
IOU = 0.5
#: Seconds for which an ideal track may be interrupted.
GAP = 3.5
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


HEAD = "precision | recall | F1 | B-cubed | people | found | of them twice or more |"


def line(name: str, appearances: Appearances, similarity: float) -> str:
    """Group a set, and return a row of a table."""
    one = agreement(group(appearances.units, similarity), appearances.identities)
    shares = [f"{100 * value:.1f}" for value in (one.precision, one.recall, one.f1, one.b_cubed)]
    cells = [len(appearances.units), f"{similarity:.2f}", *shares, one.people, one.found, one.again]
    return f"| {name} | {' | '.join(map(str, cells))} |"


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
    parser.add_argument("stills", nargs="*", help="annotated sets; of each, detections and ideal tracks")
    parser.add_argument("--footage", help="annotated set of frames that follow each other; ideal tracks alone")
    parser.add_argument("--split", default="test")
    parser.add_argument("--weights", default="stl-mrfp-small")
    parser.add_argument("--sizes", type=int, nargs="*", default=[5, 10, 20, 50, 100, 200])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--cache", type=Path, default=default_folder())
    arguments = parser.parse_args()
    searcher = PersonSearcher.from_pretrained(arguments.weights, device="cpu")
    calibration, min_score = searcher.calibration, searcher.config.detector.score_threshold
    if calibration is None:
        raise SystemExit(f"{arguments.weights}: has no calibration; give weights that have one")

    def seen(path: str) -> Appearances:
        dataset = load_dataset(path, arguments.split)
        observed = observe(searcher, dataset, cache_dir=arguments.cache)
        return detections_of(observed, dataset, min_score)

    stills = {Path(path).name: seen(path) for path in arguments.stills}
    followed = {name: ideal_tracks(one) for name, one in stills.items()}
    if arguments.footage:
        name = Path(arguments.footage).name
        followed[name] = ideal_tracks(seen(arguments.footage))

    print(f"{datetime.now(UTC).date()}, {platform.machine()}, Python {platform.python_version()}, no GPU;", end=" ")
    print(f"weights {arguments.weights}, calibrated on {calibration.dataset}; {arguments.split} splits\n")
    print(f"| appearances | how many | similarity | {HEAD}\n| {'--- | ' * 10}")
    for name, one in stills.items():
        print(line(f"{name}: all detections", one, default_similarity(calibration, one.units)))
        known = one[np.flatnonzero(one.identities >= 0)]
        print(line(f"{name}: detections of labelled people", known, default_similarity(calibration, known.units)))
    for name, one in followed.items():
        print(line(f"{name}: ideal tracks", one, default_similarity(calibration, one.units)), flush=True)

    tables = {f"ideal tracks of {name}": one for name, one in followed.items()}
    if stills:
        tables[f"detections of {' and '.join(stills)}"] = merged(list(stills.values()))
    for name, one in tables.items():
        print(f"\n## Crowds: {name}\n")
        for row in crowd_table(one, calibration, arguments.sizes, arguments.draws):
            print(row, flush=True)


if __name__ == "__main__":
    main()
