"""What is wrong with boxes, identities and queries: questions to the annotations alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from personsearch.boxes import box_iou
from personsearch.datasets.dataset import Dataset
from personsearch.datasets.doctor.findings import Finding, found
from personsearch.datasets.doctor.statistics import cameras_of_identities, labels_of, people_per_scene
from personsearch.datasets.formats.published import PUBLISHED, differences
from personsearch.datasets.scene import Query, Scene

#: Pixels by which a box may leave the image: what is lost when coordinates are kept as float32.
SLACK = 0.01
#: Width and height in pixels below which clothes cannot be made out.
SMALL = (8.0, 24.0)
#: Boxes of one scene that overlap more are taken for the same person annotated twice.
SAME_BOX_IOU = 0.95
#: A query's box has to overlap a box of its person by so much.
QUERY_IOU = 0.5
#: A scene is crowded beyond the upper quartile plus so many times the distance of the quartiles (Tukey's far out).
FAR_OUT = 3.0
#: Identities that begin at 0 or 1 and use this share of the numbers up to the highest are class numbers, not names.
DENSE = 0.9


def check_account(dataset: Dataset) -> list[Finding]:
    """Repeat what the loader says of rows it skipped, left out or changed, and compare the published counts."""
    account, part = dataset.accounting, dataset.name
    findings = found("skipped-row", part, [str(problem) for problem in account.skipped])
    findings += found("no-scenes", part, [] if dataset.scenes else [part])
    findings += found("other-counts", part, _other_counts(dataset))
    for kind, rows in (("dropped-row", account.dropped), ("changed-box", account.changed)):
        findings += found(kind, part, [f"{count:,} {what}" for what, count in rows.items()], sum(rows.values()))
    return findings


def check_boxes(dataset: Dataset) -> list[Finding]:
    """Find boxes that are not finite, have no area, leave their image, are very small or annotated twice."""
    sizes = [np.full(len(scene.boxes), number) for number, scene in enumerate(dataset.scenes)]
    owner = np.concatenate([np.zeros(0, np.int64), *sizes]).astype(np.int64)
    boxes = np.concatenate([np.zeros((0, 4)), *(scene.boxes for scene in dataset.scenes)])
    limits = np.array([[s.width, s.height] for s in dataset.scenes], dtype=np.float64).reshape(-1, 2)[owner]
    ignored = np.concatenate([np.zeros(0, bool), *(scene.ignore for scene in dataset.scenes)])
    finite = np.isfinite(boxes).all(axis=1)
    boxes = np.where(finite[:, None], boxes, 0.0)
    extent = boxes[:, 2:] - boxes[:, :2]
    flat = finite & (extent <= 0).any(axis=1)
    fine = finite & ~flat
    outside = fine & ((boxes < -SLACK).any(axis=1) | (boxes[:, 2:] > limits + SLACK).any(axis=1))
    small = fine & ~ignored & (extent < SMALL).any(axis=1)
    first = np.cumsum([0, *(len(scene.boxes) for scene in dataset.scenes)])
    findings = []
    masks = {"box-not-finite": ~finite, "box-without-area": flat, "box-outside": outside, "small-box": small}
    for kind, mask in masks.items():
        rows = np.flatnonzero(mask).tolist()
        told = [_box_text(dataset.scenes[owner[row]], row - int(first[owner[row]])) for row in rows]
        findings += found(kind, dataset.name, told)
    twice = [text for scene in dataset.scenes for text in _same_boxes(scene)]
    return findings + found("repeated-box", dataset.name, twice)


def check_people(dataset: Dataset) -> list[Finding]:
    """Find identities that are of little use, and scenes with nobody or with unusually many people."""
    part, scenes = dataset.name, dataset.scenes
    repeated = []
    where: dict[int, list[Scene]] = defaultdict(list)
    for scene in scenes:
        labels, times = np.unique(scene.identities[_labelled(scene)], return_counts=True)
        repeated += [f"{scene.path}: identity {identity}" for identity in labels[times > 1].tolist()]
        for identity in scene.identities[_labelled(scene)].tolist():
            where[identity].append(scene)
    cameras = cameras_of_identities(scenes)
    one_camera = []
    if len({scene.camera for scene in scenes} - {None}) > 1:
        # A single box is a finding of its own.
        one_camera = [
            f"identity {identity}: {len(where[identity])} boxes, all in camera {next(iter(seen))}, "
            f"the first in {where[identity][0].path}"
            for identity, seen in cameras.items()
            if len(seen) == 1 and len(where[identity]) > 1
        ]
    one_box = [f"identity {i}, in {where[i][0].path}" for i in sorted(where) if len(where[i]) == 1]
    counts = people_per_scene(scenes)
    empty = [str(scene.path) for scene, count in zip(scenes, counts, strict=True) if not count]
    findings = found("repeated-identity", part, repeated) + found("one-camera", part, one_camera)
    findings += found("one-box", part, one_box) + found("without-people", part, empty)
    return findings + found("crowded", part, _crowded(scenes, counts))


def check_queries(dataset: Dataset) -> list[Finding]:
    """Find queries that point nowhere, at somebody else, or at a person whom the gallery does not have."""
    scenes = {scene.image_id: scene for scene in dataset.scenes}
    where: dict[int, set[str]] = defaultdict(set)
    for scene in dataset.scenes:
        for identity in scene.identities[_labelled(scene)].tolist():
            where[identity].add(scene.image_id)
    nowhere, wrong, alone, own_camera = [], [], [], []
    for number, query in enumerate(dataset.queries):
        text = f"query {number}, identity {query.identity} in {query.image_id}"
        lost = [] if query.gallery is None else [name for name in query.gallery.image_ids if name not in scenes]
        nowhere += [f"query {number}: {name}" for name in ([query.image_id] * (query.image_id not in scenes) + lost)]
        if query.image_id not in scenes:
            continue
        if not _points_at(query, scenes[query.image_id]):
            wrong.append(text)
        matches = _matches(query, where)
        if not matches:
            alone.append(text)
        elif _same_camera_only(query, matches, scenes):
            own_camera.append(text)
    findings = found("query-image", dataset.name, nowhere) + found("query-box", dataset.name, wrong)
    findings += found("query-without-match", dataset.name, alone)
    return findings + found("query-one-camera", dataset.name, own_camera)


def check_splits(first: Dataset, second: Dataset) -> list[Finding]:
    """Find images and identities that two splits share."""
    part = f"{first.name} + {second.name}"
    paths = {scene.path for scene in first.scenes}
    findings = found("shared-image", part, [str(scene.path) for scene in second.scenes if scene.path in paths])
    ids, other = (set(labels_of(dataset.scenes).tolist()) for dataset in (first, second))
    shared = sorted(ids & other)
    if not shared:
        return findings
    cameras, others = ({scene.camera for scene in dataset.scenes} - {None} for dataset in (first, second))
    if not cameras & others and all(_counts_from_the_start(numbers) for numbers in (ids, other)):
        # The usual way to number classes: equal numbers say nothing about equal people.
        return findings + found("numbered-apart", part, [f"{shared[0]} to {shared[-1]}"], len(shared))
    asked = {query.identity for dataset in (first, second) for query in dataset.queries}
    queried = [identity for identity in shared if identity in asked]
    quiet = [identity for identity in shared if identity not in asked]
    findings += found("shared-identity-queried", part, _first_seen(queried, first, second), len(queried))
    return findings + found("shared-identity", part, _first_seen(quiet, first, second), len(quiet))


def _other_counts(dataset: Dataset) -> list[str]:
    """Compare with what was published, where the set carries an official name.

    The loader has compared its own counts already and marks the name of a set that differs.
    """
    name, _, marked = dataset.name.partition(" (")
    part = name if name in PUBLISHED else "cuhk-sysu/test" if name.startswith("cuhk-sysu/") else ""
    if not part:
        return []
    account, labels = dataset.accounting, labels_of(dataset.scenes)
    repeated = sum(count for what, count in account.changed.items() if what.startswith("identity repeated"))
    counts = {"images": len(dataset.scenes)}
    if PUBLISHED[part]["boxes"] not in (account.rows, account.kept, account.kept + sum(account.dropped.values())):
        counts["boxes"] = account.kept
    if part.startswith("prw/"):
        counts |= {"labelled boxes": len(labels) + repeated, "identities": len(np.unique(labels))}
    if marked:
        counts["queries"] = len(dataset.queries)
    return differences(part, counts) or ["the loader counted others than were published"] * bool(marked)


def _labelled(scene: Scene) -> NDArray[np.bool_]:
    return np.asarray((scene.identities >= 0) & ~scene.ignore)


def _box_text(scene: Scene, row: int) -> str:
    corners = ", ".join(f"{value:g}" for value in np.round(scene.boxes[row].astype(float), 2).tolist())
    return f"{scene.path}: box {row} [{corners}] in {scene.width}x{scene.height}"


def _same_boxes(scene: Scene) -> list[str]:
    rows = np.flatnonzero(~scene.ignore & np.isfinite(scene.boxes).all(axis=1))
    overlap = np.triu(box_iou(scene.boxes[rows], scene.boxes[rows]), 1) > SAME_BOX_IOU
    return [f"{scene.path}: boxes {rows[a]} and {rows[b]}" for a, b in np.argwhere(overlap).tolist()]


def _crowded(scenes: Sequence[Scene], counts: NDArray[np.int64]) -> list[str]:
    if not len(counts):
        return []
    lower, upper = np.percentile(counts, (25, 75))
    # Where nearly all scenes have equally many, a difference of a few people is nothing.
    limit = upper + FAR_OUT * max(upper - lower, 1.0 + upper / 4)
    rows = [row for row in np.argsort(-counts, kind="stable").tolist() if counts[row] > limit]
    return [f"{scenes[row].path}: {counts[row]} people" for row in rows]


def _points_at(query: Query, scene: Scene) -> bool:
    mine = scene.boxes[scene.identities == query.identity]
    return bool(len(mine)) and bool((box_iou(query.box[None], mine) >= QUERY_IOU).any())


def _matches(query: Query, where: dict[int, set[str]]) -> set[str]:
    """Return the images of the query's gallery, other than its own, in which the person is."""
    if query.gallery is None:
        return where.get(query.identity, set()) - {query.image_id}
    present = np.flatnonzero(np.isfinite(query.gallery.boxes).all(axis=1)).tolist()
    return {query.gallery.image_ids[place] for place in present} - {query.image_id}


def _counts_from_the_start(numbers: set[int]) -> bool:
    return min(numbers) <= 1 and len(numbers) >= DENSE * (max(numbers) + 1 - min(numbers))


def _same_camera_only(query: Query, matches: Iterable[str], scenes: dict[str, Scene]) -> bool:
    own = scenes[query.image_id].camera
    return own is not None and all(name in scenes and scenes[name].camera == own for name in matches)


def _first_seen(identities: Sequence[int], first: Dataset, second: Dataset, most: int = 5) -> list[str]:
    def path(dataset: Dataset, identity: int) -> object:
        return next(scene.path for scene in dataset.scenes if (scene.identities == identity).any())

    return [f"identity {i}: {path(first, i)} and {path(second, i)}" for i in identities[:most]]
