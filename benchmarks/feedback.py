"""What several pictures of one person, and confirming and rejecting matches, gain in a search.

    python benchmarks/feedback.py ../shared/data/synth-mini

**Feedback**: each query of the set is searched for in all other scenes. A user marks each of the first ten matches
right or wrong; then every method ranks the rest of the gallery again, and only the rest counts, before and after (the
residual collection). Queries without anybody left to find do not count.

**Several pictures**: each person is searched for by 1, 2, 3 and 5 pictures that are drawn at random, in scenes that
show none of the five, so that all rows search the same galleries.

A detection is of the annotated person whose box it overlaps by half, each the other's best.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personsearch import PersonSearcher
from personsearch.calibration import stricter
from personsearch.datasets import Dataset, load_dataset
from personsearch.evaluation import average_precision
from personsearch.evaluation.detection import judge
from personsearch.evaluation.observations import Observations
from personsearch.gallery.searching import LIKE, UNLIKE, moved
from personsearch.measure.cache import default_folder
from personsearch.measure.observe import observe
from personsearch.results import Floats

#: Matches that the user marks.
SHOWN = 10
#: Detections of lower score are not searched; as in the preset "standard".
SCORE = 0.5
#: Pictures of one person, and how often they are drawn of each.
COUNTS = (1, 2, 3, 5)
DRAWS = 2
#: Pictures are of people of at least this height, pixels.
TALL = 60
#: The false-match rate whose threshold is looked at.
RATE = 1e-3
#: Rows of the gallery that a refit takes for strangers.
STRANGERS = 200

#: (query (1, D), right (L, D), wrong (U, D), gallery (N, D)) -> similarity (N,).
Method = Callable[[Floats, Floats, Floats, Floats], NDArray[np.floating]]


@dataclass(frozen=True)
class People:
    """The detections of a set: embeddings (N, D), identities (N,), -1 = of nobody with a label, and scenes (N,)."""

    embeddings: Floats
    identities: NDArray[np.int64]
    scenes: NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """One method's figures, fractions; ``better`` and ``worse`` count searches, beside the first row's."""

    method: str
    searches: int
    mean_average_precision: float
    top1: float
    better: int
    worse: int


def people_of(observed: Observations, dataset: Dataset) -> People:
    """Return the detections of a set with whom each is of."""
    embeddings, identities, scenes = [], [], []
    for number, scene in enumerate(dataset.scenes):
        judged = judge(scene, observed.detections[scene.image_id], SCORE)
        known = np.append(np.where(scene.ignore, -1, scene.identities), -1)
        embeddings.append(judged.detections.embeddings)
        identities.append(known[judged.person])  # the last one for -1
        scenes.append(np.full(len(judged.detections), number))
    return People(np.concatenate(embeddings), np.concatenate(identities), np.concatenate(scenes))


def rocchio(like: float, unlike: float) -> Method:
    """Return the method of the gallery with other weights."""
    return lambda query, right, wrong, gallery: gallery @ moved(query, right, wrong, like=like, unlike=unlike)[0]


def fusion(query: Floats, right: Floats, wrong: Floats, gallery: Floats) -> NDArray[np.floating]:
    """Take the highest similarity to the query and what was right."""
    return np.asarray((gallery @ np.concatenate([query, right]).T).max(axis=1))


def ridge(regulariser: float) -> Method:
    """Return a linear refit: right against wrong and random rows of the gallery, each side weighing the same."""

    def refit(query: Floats, right: Floats, wrong: Floats, gallery: Floats) -> NDArray[np.floating]:
        rng = np.random.default_rng(0)
        strangers = gallery[rng.choice(len(gallery), min(STRANGERS, len(gallery)), replace=False)]
        good, bad = np.concatenate([query, right]), np.concatenate([wrong, strangers])
        rows = np.concatenate([good, bad]).astype(np.float64)
        wanted = np.repeat([1.0, -1.0], [len(good), len(bad)])
        weight = np.sqrt(np.repeat([1 / len(good), 1 / len(bad)], [len(good), len(bad)]))
        scaled = rows * weight[:, None]
        gram = scaled @ scaled.T + regulariser * np.eye(len(rows))
        return np.asarray(gallery @ (scaled.T @ np.linalg.solve(gram, wanted * weight)))

    return refit


METHODS: Mapping[str, Method] = {
    "none": lambda query, right, wrong, gallery: gallery @ query[0],
    "Rocchio, right ones only": rocchio(LIKE, 0.0),
    f"Rocchio, {LIKE:g} and {UNLIKE:g} (shipped)": rocchio(LIKE, UNLIKE),
    "Rocchio, 2 and 0.5": rocchio(2.0, 0.5),
    "best of query and right ones": fusion,
    "ridge, 0.1": ridge(0.1),
    "ridge, 10": ridge(10.0),
}


def feedback(observed: Observations, dataset: Dataset, methods: Mapping[str, Method] = METHODS) -> list[Row]:
    """Return what each method ranks after one round of marking; the first is the search without feedback."""
    people, numbers = people_of(observed, dataset), {scene.image_id: n for n, scene in enumerate(dataset.scenes)}
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
    for query, embedding in zip(dataset.queries, observed.queries(dataset), strict=True):
        others = people.scenes != numbers[query.image_id]
        gallery, right = people.embeddings[others], people.identities[others] == query.identity
        order = np.argsort(-(gallery @ embedding), kind="stable")
        shown, rest = order[:SHOWN], order[SHOWN:]
        if not right[rest].any():
            continue
        marked = gallery[shown[right[shown]]], gallery[shown[~right[shown]]]
        for name, method in methods.items():
            figures[name].append(measured(method(embedding[None], *marked, gallery)[rest], right[rest]))
    return rows_of(figures)


def several(observed: Observations, dataset: Dataset) -> list[Row]:
    """Return what 1, 2, 3 and 5 pictures of one person find, by their mean and by the best of them."""
    people, boxes, rng = people_of(observed, dataset), observed.people(dataset), np.random.default_rng(0)
    pictures: dict[int, list[tuple[int, Floats]]] = {}
    for number, scene in enumerate(dataset.scenes):
        tall = scene.boxes[:, 3] - scene.boxes[:, 1] >= TALL
        for row in np.flatnonzero((scene.identities >= 0) & ~scene.ignore & tall):
            pictures.setdefault(int(scene.identities[row]), []).append((number, boxes[scene.image_id][row]))
    figures: dict[str, list[tuple[float, float]]] = {}
    for identity, seen in sorted(pictures.items()):
        for _ in range(DRAWS):
            drawn = [seen[one] for one in rng.permutation(len(seen))[: max(COUNTS)]]
            elsewhere = ~np.isin(people.scenes, [scene for scene, _ in drawn])
            right = people.identities[elsewhere] == identity
            if len(drawn) < max(COUNTS) or not right.any():
                continue
            queries = np.stack([embedding for _, embedding in drawn])
            similarities = people.embeddings[elsewhere] @ queries.T
            for count in COUNTS:
                means = people.embeddings[elsewhere] @ queries[:count].mean(axis=0)
                best = similarities[:, :count].max(axis=1)
                for how, values in (("mean", means), ("best", best)) if count > 1 else (("", best),):
                    name = f"{count} pictures, {how}" if count > 1 else "1 picture"
                    figures.setdefault(name, []).append(measured(values, right))
    return rows_of(figures)


def measured(similarity: NDArray[np.floating], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the average precision of a ranking, and whether the first place is right."""
    return average_precision(right, similarity), float(right[np.argmax(similarity)])


def rows_of(figures: Mapping[str, list[tuple[float, float]]]) -> list[Row]:
    """Return the means of each method."""
    rows = []
    first = np.array(next(iter(figures.values()), [])).reshape(-1, 2)
    for name, pairs in figures.items():
        values = np.array(pairs).reshape(-1, 2)
        change = values[:, 0] - first[:, 0]
        precision, top1 = values.mean(axis=0).tolist()
        better, worse = int((change > 1e-9).sum()), int((change < -1e-9).sum())
        rows.append(Row(name, len(values), precision, top1, better, worse))
    return rows


def strangers_above(observed: Observations, dataset: Dataset, threshold: float) -> dict[str, float]:
    """Return which share of strangers is at least as similar as a threshold, by kind of search."""
    people, boxes, rng = people_of(observed, dataset), observed.people(dataset), np.random.default_rng(0)
    pictures: dict[int, list[Floats]] = {}
    for scene in dataset.scenes:
        for row in np.flatnonzero((scene.identities >= 0) & ~scene.ignore):
            pictures.setdefault(int(scene.identities[row]), []).append(boxes[scene.image_id][row])
    above: dict[str, list[float]] = {}
    for identity, seen in sorted(pictures.items()):
        if len(seen) < 3:
            continue
        queries = np.stack([seen[one] for one in rng.permutation(len(seen))[:3]])
        strangers = people.embeddings[(people.identities >= 0) & (people.identities != identity)]
        similarities = strangers @ queries.T
        mean = queries.mean(axis=0)
        for name, values in (
            ("1 picture", similarities[:, 0]),
            ("3 pictures, mean", strangers @ (mean / np.linalg.norm(mean))),
            ("3 pictures, best", similarities.max(axis=1)),
        ):
            above.setdefault(name, []).append(float((values >= threshold).mean()))
    return {name: float(np.mean(values)) for name, values in above.items()}


def strangers_after_feedback(observed: Observations, dataset: Dataset, threshold: float) -> tuple[float, float]:
    """Return which share of the strangers who were not marked is at least as similar, before and after feedback."""
    people, numbers = people_of(observed, dataset), {scene.image_id: n for n, scene in enumerate(dataset.scenes)}
    before, after = [], []
    for query, embedding in zip(dataset.queries, observed.queries(dataset), strict=True):
        others = people.scenes != numbers[query.image_id]
        gallery, identities = people.embeddings[others], people.identities[others]
        right = identities == query.identity
        order = np.argsort(-(gallery @ embedding), kind="stable")
        shown, rest = order[:SHOWN], order[SHOWN:]
        marked = gallery[shown[right[shown]]], gallery[shown[~right[shown]]]
        strangers = gallery[rest[(identities[rest] >= 0) & ~right[rest]]]
        before.append(float((strangers @ embedding >= threshold).mean()))
        after.append(float((strangers @ moved(embedding[None], *marked)[0] >= threshold).mean()))
    return float(np.mean(before)), float(np.mean(after))


def table(rows: list[Row], what: str) -> str:
    """Return a Markdown table."""
    lines = [f"| {what} | searches | mAP | top-1 | better / worse |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {row.method} | {row.searches} | {100 * row.mean_average_precision:.1f} | {100 * row.top1:.1f} "
        f"| {row.better} / {row.worse} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Observe, search, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="+")
    parser.add_argument("--weights", default="stl-mrfp-small")
    parser.add_argument("--cache", type=Path, default=default_folder())
    arguments = parser.parse_args()
    searcher = PersonSearcher.from_pretrained(arguments.weights, device="cpu")
    print(f"{datetime.now(UTC).date()}, {platform.machine()}, Python {platform.python_version()}, no GPU\n")
    for path in arguments.dataset:
        dataset = load_dataset(path)
        observed = observe(searcher, dataset, cache_dir=arguments.cache)
        print(f"{Path(path).name}, {dataset.name}: {len(dataset.scenes)} scenes, weights {arguments.weights}\n")
        print(table(feedback(observed, dataset), "after ten matches were marked") + "\n")
        print(table(several(observed, dataset), "searched by") + "\n")
        if searcher.calibration is not None:
            threshold = stricter(None, RATE, searcher.calibration)
            shares = strangers_above(observed, dataset, threshold or 1.0)
            text = ", ".join(f"{name} {share:.1e}" for name, share in shares.items())
            print(f"share of strangers above the threshold of rate {RATE:g}: {text}")
            before, after = strangers_after_feedback(observed, dataset, threshold or 1.0)
            print(f"of those who were not marked: {before:.1e}, after feedback {after:.1e}\n")


if __name__ == "__main__":
    main()
